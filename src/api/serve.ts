/**
 * The HTTP server under the API. Everything that knows which server it is stands here.
 *
 * With a socket that a watchdog opened, the server is one generation of several on it: it can leave new connections to
 * the next one, and none is refused or cut in between.
 */
import {
  err,
  type Failure,
  type Logger,
  MAX_REQUEST_BYTES,
  MAX_UPLOAD_BYTES,
  ok,
  type Result,
  refused,
  retryable,
  sleep,
} from "#base";
import { type SharedListener, serveFromSocket } from "#watchdog";
import type { Api } from "./app.ts";
import type { ApiBindings } from "./environment.ts";

export type ServeOptions = {
  /** Address to bind: `127.0.0.1` for this host alone. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly logger: Logger;
  /** A listening socket that a watchdog opened and gave to this process; host and port then say how it is reached. */
  readonly socket?: { readonly fd: number; readonly port: number };
};

export type HttpServer = {
  /** Under which it is reached, such as `http://127.0.0.1:7433`. */
  readonly url: string;
  readonly port: number;
  /** The shared socket, to be given to another process; null without one. */
  readonly sharedFd: number | null;
  /** Since the start. */
  readonly figures: () => { readonly requests: number; readonly serverErrors: number };
  /**
   * Leaves new connections to the next generation, in two steps: for up to `longMs` goes on as before while long answers
   * (of models) are being given; then accepts no more, asks each client to connect anew after its answer, ends event
   * streams and waits until nobody asks any more. Without a shared socket it does nothing. Then `stop` cuts nobody.
   */
  readonly handOver: (options: { readonly longMs: number }) => Promise<void>;
  /**
   * Takes no new connections, ends event streams with a last frame, lets requests in progress end for up to `graceMs`
   * and then cuts them. Idempotent. @returns whether every request ended by itself.
   */
  readonly stop: (options: { readonly graceMs: number }) => Promise<boolean>;
};

/** Four times the longest body that any route reads, but for uploads. */
const MAX_BODY_BYTES = MAX_REQUEST_BYTES * 16;
const UPLOADS = "/api/releases/uploads/";
/** A client may be silent for this long within a request or between two, in seconds; streams are exempt. */
const IDLE_TIMEOUT_SECONDS = 30;

type BunServer = ReturnType<typeof Bun.serve>;

/** A request that was not answered within this time is a long one. */
const LONG_REQUEST_MS = 1_000;
/** Connections that were accepted just before have sent their requests after so much silence. */
const QUIET_MS = 250;
/** Clients that never end their requests do not keep a generation for ever. */
const QUIET_LIMIT_MS = 5_000;
const POLL_MS = 10;
/**
 * Bun was seen not to resolve a forced stop within 30 s after it had refused a body that was still being sent (once in
 * some thousands of runs, on a loaded machine). Its connections are cut by then, and a node that ends waits for nothing.
 */
const CUT_LIMIT_MS = 2_000;

/** @returns the running server, or why it could not be started and what to do. */
export async function serveApi(api: Api, options: ServeOptions): Promise<Result<HttpServer>> {
  const traffic = new Traffic(api);
  const { socket } = options;
  let server: BunServer;
  try {
    server = Bun.serve({
      // With a shared socket this one is only there to be exchanged for it.
      hostname: socket === undefined ? options.host : "127.0.0.1",
      port: socket === undefined ? options.port : 0,
      idleTimeout: IDLE_TIMEOUT_SECONDS,
      // The app answers bodies that are too long itself, with a reason; this is the net below it.
      maxRequestBodySize: MAX_UPLOAD_BYTES,
      development: false,
      fetch: (request, running) => {
        if (isTooLong(request)) return new Response("the body is too long", { status: 413 });
        const bindings: ApiBindings = {
          peerAddress: running.requestIP(request)?.address ?? "",
          exemptFromIdleTimeout: (isExempt) => running.timeout(request, isExempt ? 0 : IDLE_TIMEOUT_SECONDS),
        };
        return traffic.answer(request, bindings);
      },
      error: (cause) => {
        options.logger.error("the HTTP server could not answer a request", { error: cause });
        return new Response("drover could not answer", { status: 500 });
      },
    });
  } catch (cause) {
    return err(startFailure(cause, options));
  }
  const shared = socket === undefined ? undefined : serveFromSocket(server, socket.fd);
  if (shared?.ok === false) {
    await server.stop(true);
    return shared;
  }
  const port = socket?.port ?? server.port ?? options.port;
  let stopping: Promise<boolean> | undefined;
  return ok({
    url: `http://${urlHost(options.host)}:${port}`,
    port,
    sharedFd: shared?.value.fd ?? null,
    figures: () => traffic.figures,
    handOver: async ({ longMs }) => {
      if (shared !== undefined) await handOver(server, shared.value, traffic, longMs);
    },
    stop: ({ graceMs }) => {
      stopping ??= stopServer(server, api, graceMs);
      return stopping;
    },
  });
}

/** By what its head says. A body without a length is cut off at the limit of the route that reads it. */
function isTooLong({ headers, url }: Request): boolean {
  const declared = Number(headers.get("content-length") ?? "0");
  return declared > MAX_BODY_BYTES && !new URL(url).pathname.startsWith(UPLOADS);
}

/** Answers requests, and knows how many there are and how old. */
class Traffic {
  readonly api: Api;
  readonly #beganMs = new Set<{ readonly atMs: number }>();
  #requests = 0;
  #serverErrors = 0;
  #lastMs = 0;
  /** Every answer asks its client to connect anew. */
  isLeaving = false;

  constructor(api: Api) {
    this.api = api;
  }

  get figures(): { readonly requests: number; readonly serverErrors: number } {
    return { requests: this.#requests, serverErrors: this.#serverErrors };
  }

  async answer(request: Request, bindings: ApiBindings): Promise<Response> {
    const began = { atMs: this.api.clock.monotonicMs() };
    this.#beganMs.add(began);
    this.#requests += 1;
    try {
      const response = await this.api.app.fetch(request, bindings);
      // 503 says that something is away for the moment, and says so on purpose.
      if (response.status >= 500 && response.status !== 503) this.#serverErrors += 1;
      if (this.isLeaving) response.headers.set("connection", "close");
      return response;
    } finally {
      this.#beganMs.delete(began);
      this.#lastMs = this.api.clock.monotonicMs();
    }
  }

  /** Of `pending` requests, those that are being answered for long, or stream their answer; event streams apart. */
  long(pending: number): number {
    const nowMs = this.api.clock.monotonicMs();
    const young = [...this.#beganMs].filter(({ atMs }) => nowMs - atMs < LONG_REQUEST_MS).length;
    return pending - young - this.api.streams();
  }

  quietForMs(): number {
    return this.#beganMs.size > 0 ? 0 : this.api.clock.monotonicMs() - this.#lastMs;
  }
}

async function handOver(server: BunServer, listener: SharedListener, traffic: Traffic, longMs: number): Promise<void> {
  const { clock } = traffic.api;
  const longEndMs = clock.monotonicMs() + longMs;
  while (traffic.long(server.pendingRequests) > 0 && clock.monotonicMs() < longEndMs) await sleep(clock, POLL_MS);
  listener.stopAccepting();
  traffic.isLeaving = true;
  traffic.api.close();
  const endMs = clock.monotonicMs() + QUIET_LIMIT_MS;
  while (clock.monotonicMs() < endMs && (server.pendingRequests > 0 || traffic.quietForMs() < QUIET_MS)) {
    await sleep(clock, POLL_MS);
  }
}

async function stopServer(server: BunServer, api: Api, graceMs: number): Promise<boolean> {
  api.close();
  const ended = server.stop(false).then(() => true);
  const deadline = new Promise<boolean>((resolve) => {
    const timer = api.clock.after(graceMs, () => resolve(false));
    void ended.finally(() => timer.cancel());
  });
  const isClean = await Promise.race([ended, deadline]);
  if (!isClean) await Promise.race([server.stop(true), sleep(api.clock, CUT_LIMIT_MS)]);
  return isClean;
}

function startFailure(cause: unknown, { host, port }: ServeOptions): Failure {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "";
  const where = `${host}:${port}`;
  switch (code) {
    case "EADDRINUSE":
      return refused(
        "in_use",
        `another program listens on ${where}`,
        "Stop it, or choose another port: http.port in drover.toml or DROVER_HTTP_PORT",
      );
    case "EACCES":
      return refused("unsupported", `this user may not listen on ${where}`, "Choose a port above 1023");
    case "EADDRNOTAVAIL":
      return refused("unsupported", `this host has no address ${host}`, "Set http.host to one of its addresses");
    default: {
      const reason = cause instanceof Error ? cause.message : String(cause);
      return retryable("unavailable", `cannot listen on ${where}: ${reason}`, "Check http.host and http.port");
    }
  }
}

/** What a client on this host connects to; an address that means "all" is none to connect to. */
function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
