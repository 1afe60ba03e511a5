/**
 * The only way out for a command with a list of allowed hosts: an HTTP proxy in the worker. It listens in the network of
 * the command, on a socket that the command's launcher made there, and connects in that of the host. It answers CONNECT and requests in absolute form, one per connection. What is inside a TLS connection it does
 * not see, so a host behind the same front as an allowed one can be reached where that front permits it.
 */
import { lookup } from "node:dns/promises";
import { closeSync } from "node:fs";
import { createServer, isIP, type Server, type Socket, connect as tcpConnect } from "node:net";
import type { Clock, Timer } from "#base";
import { decideTarget, type EgressDecision, type EgressRule, mayConnect } from "../egress-policy.ts";
import { takeListener } from "./egress-handover.ts";
import type { CommandProxy } from "./start-sandboxed.ts";

/** A request line with a long URL and some cookies. */
const MAX_HEAD_BYTES = 16 * 1024;
/** A launcher is ready to listen after some 10 ms; what is connected until it is served waits in the kernel. */
const LOOK_MS = 3;
/** The head comes in one packet or two; a client that waits longer has hung. */
const HEAD_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 15_000;
/** A download whose server computes first. */
const IDLE_TIMEOUT_MS = 120_000;
/** A package manager opens up to 50 at once. */
const MAX_CONNECTIONS = 128;
/** Both directions together, of one attempt: a large dependency tree fits, an exfiltrated disk does not. */
const MAX_BYTES = 4 * 1024 ** 3;

export type EgressRecord = { readonly target: string; readonly allowed: boolean; readonly reason: string };

export type EgressProxyOptions = {
  readonly rules: readonly EgressRule[];
  readonly clock: Clock;
  /** Told of every request, for the record of the attempt. */
  readonly onRequest?: (record: EgressRecord) => void;
  /** @returns the addresses of a name; the system's resolver by default. */
  readonly resolve?: (host: string) => Promise<readonly string[]>;
  readonly maxBytes?: number;
  readonly maxConnections?: number;
};

type Head = {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly headers: readonly string[];
  readonly rest: Uint8Array;
};

export class EgressProxy implements CommandProxy {
  readonly #options: EgressProxyOptions;
  readonly #sockets = new Set<Socket>();
  readonly #attached = new Set<() => void>();
  #bytesLeft: number;

  constructor(options: EgressProxyOptions) {
    this.#options = options;
    this.#bytesLeft = options.maxBytes ?? MAX_BYTES;
  }

  attach(handover: number): () => void {
    let timer: Timer | undefined;
    let server: Server | undefined;
    const look = (): void => {
      const taken = takeListener(handover);
      if (taken.kind === "waiting") timer = this.#options.clock.after(LOOK_MS, look);
      else closeSync(handover);
      // Without a launcher that listens there is no command either.
      if (taken.kind === "taken") server = this.#listen(taken.fd);
      if (taken.kind !== "waiting") timer = undefined;
    };
    const detach = (): void => {
      if (!this.#attached.delete(detach)) return;
      if (timer !== undefined) closeSync(handover);
      timer?.cancel();
      server?.close();
    };
    this.#attached.add(detach);
    look();
    return detach;
  }

  /** Ends every connection; nothing is left listening when it returns. */
  close(): void {
    for (const detach of this.#attached) detach();
    for (const socket of this.#sockets) socket.destroy();
  }

  #listen(fd: number): Server {
    const server = createServer((client) => this.accept(client));
    server.on("error", () => server.close());
    return server.listen({ fd });
  }

  /** Serves one connection. */
  accept(client: Socket): void {
    this.#track(client);
    if (this.#sockets.size > (this.#options.maxConnections ?? MAX_CONNECTIONS)) {
      answer(client, "503 Service Unavailable", "too many connections through the egress proxy");
      return;
    }
    const timer = this.#options.clock.after(HEAD_TIMEOUT_MS, () => client.destroy());
    let received = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf("\r\n\r\n");
      if (end === -1 && received.length <= MAX_HEAD_BYTES) return;
      timer.cancel();
      client.off("data", onData);
      client.pause();
      const head = end === -1 || end > MAX_HEAD_BYTES ? undefined : parseHead(received, end);
      if (head === undefined) answer(client, "400 Bad Request", "not a request that the egress proxy understands");
      else void this.#serve(client, head);
    };
    client.on("data", onData);
    client.once("close", () => timer.cancel());
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#sockets.delete(socket));
  }

  async #serve(client: Socket, head: Head): Promise<void> {
    const isTunnel = head.method === "CONNECT";
    const url = isTunnel ? undefined : /^http:\/\/([^/?#]*)([^#]*)$/.exec(head.target);
    const authority = isTunnel ? head.target : url?.[1];
    const decision: EgressDecision =
      authority === undefined
        ? { kind: "refused", reason: "only CONNECT and absolute http URLs are served" }
        : decideTarget(authority, isTunnel ? 443 : 80, this.#options.rules);
    const address = decision.kind === "allowed" ? await this.#addressOf(decision) : decision;
    if (typeof address !== "string") {
      this.#options.onRequest?.({ target: head.target, allowed: false, reason: address.reason });
      answer(client, "403 Forbidden", address.reason);
      return;
    }
    if (decision.kind !== "allowed" || client.destroyed) return;
    this.#options.onRequest?.({ target: `${decision.host}:${decision.port}`, allowed: true, reason: address });
    const path = url?.[2] ?? "";
    const opening = isTunnel ? head.rest : forwarded(head, decision.host, decision.port, path === "" ? "/" : path);
    this.#connect(client, address, decision.port, opening, isTunnel);
  }

  /** E3: the very address that was looked at is the one that is connected to. */
  async #addressOf(
    decision: Extract<EgressDecision, { kind: "allowed" }>,
  ): Promise<string | Extract<EgressDecision, { kind: "refused" }>> {
    const refuse = (reason: string): Extract<EgressDecision, { kind: "refused" }> => ({ kind: "refused", reason });
    let addresses: readonly string[];
    try {
      addresses =
        isIP(decision.host) > 0 ? [decision.host] : await (this.#options.resolve ?? resolveByHost)(decision.host);
    } catch {
      return refuse(`${decision.host} cannot be resolved`);
    }
    const [first] = addresses;
    if (first !== undefined && mayConnect(addresses, decision.port, this.#options.rules)) return first;
    return refuse(`${decision.host} leads to an address that is not public and not in the list of allowed hosts`);
  }

  #connect(client: Socket, address: string, port: number, opening: Uint8Array, isTunnel: boolean): void {
    const upstream = tcpConnect({ host: address, port });
    this.#track(upstream);
    let timer: Timer | undefined = this.#options.clock.after(CONNECT_TIMEOUT_MS, () => upstream.destroy());
    const stop = (): void => {
      timer?.cancel();
      timer = undefined;
      client.destroy();
      upstream.destroy();
    };
    upstream.once("connect", () => {
      timer?.cancel();
      if (isTunnel) client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (opening.length > 0) upstream.write(opening);
      this.#relay(client, upstream, stop);
      this.#relay(upstream, client, stop);
      client.resume();
    });
    upstream.once("close", () => (upstream.bytesRead === 0 ? stop() : client.end()));
    client.once("close", stop);
  }

  #relay(from: Socket, to: Socket, stop: () => void): void {
    from.setTimeout(IDLE_TIMEOUT_MS, stop);
    from.on("data", (chunk: Buffer) => {
      this.#bytesLeft -= chunk.length;
      if (this.#bytesLeft < 0) stop();
      else if (!to.write(chunk)) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    });
    from.on("end", () => to.end());
  }
}

async function resolveByHost(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true, verbatim: true });
  return found.map(({ address }) => address);
}

/** @returns undefined for anything that two programs could read in two ways. */
function parseHead(bytes: Buffer, end: number): Head | undefined {
  const text = bytes.subarray(0, end).toString("latin1");
  // A NUL or a bare line end would mean another host to the next program.
  if (/[\0\x7f]|[^\r]\n|\r[^\n]/.test(text)) return undefined;
  const [first = "", ...headers] = text.split("\r\n");
  const match = /^([A-Z]{3,16}) ([\x21-\x7e]{1,8192}) (HTTP\/1\.[01])$/.exec(first);
  if (match === null || headers.some((line) => !/^[!#$%&'*+.^_`|~\w-]+:/.test(line))) return undefined;
  const [, method = "", target = "", version = ""] = match;
  return { method, target, version, headers, rest: bytes.subarray(end + 4) };
}

/** The request as the server expects it, for the host that was decided on, and as the last of its connection. */
function forwarded(head: Head, host: string, port: number, path: string): Uint8Array {
  const kept = head.headers.filter((line) => !/^(?:host|connection|keep-alive|proxy-[\w-]+|upgrade):/i.test(line));
  const authority = `${host.includes(":") ? `[${host}]` : host}${port === 80 ? "" : `:${port}`}`;
  const lines = [`${head.method} ${path.startsWith("/") ? path : `/${path}`} ${head.version}`, `Host: ${authority}`];
  const text = [...lines, ...kept, "Connection: close", "", ""].join("\r\n");
  return Buffer.concat([Buffer.from(text, "latin1"), head.rest]);
}

function answer(client: Socket, status: string, reason: string): void {
  const body = `drover: ${reason}\n`;
  const head = `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`;
  client.end(head + body);
}
