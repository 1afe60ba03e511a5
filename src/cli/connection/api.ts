import { type ClientResponse, hc } from "hono/client";
import type { SuccessStatusCode } from "hono/utils/http-status";
import type { AppType } from "#api";
import { err, isLoopback, ok, type Result } from "#base";
import type { CliEnvironment } from "../environment.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import type { Location } from "./locate.ts";
import { pause } from "./pause.ts";
import { problemFault } from "./problem.ts";

export type Client = ReturnType<typeof hc<AppType>>;

/** The JSON body of the successful answers among those that a route may give. */
export type SuccessOf<R> =
  R extends ClientResponse<infer Body, infer Status, infer Format>
    ? Status extends SuccessStatusCode
      ? Format extends "json"
        ? Body
        : never
      : never
    : never;

/** What every answer has, whatever route it came from. */
type AnyAnswer = {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: Headers;
  arrayBuffer(): Promise<ArrayBuffer>;
};

/** An answer that was read whole. */
export type Answer = {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
};

/** A call is given up after this: the node answers from its own database, so a longer silence is a fault. */
export const CALL_DEADLINE_MS = 60_000;
/** A node that asks for more patience than this is reported instead of waited for. */
const LONGEST_RETRY_AFTER_SECONDS = 10;

/** The API of one node, with faults as values. */
export class Api {
  readonly location: Location;
  readonly environment: CliEnvironment;

  constructor(environment: CliEnvironment, location: Location) {
    this.environment = environment;
    this.location = location;
  }

  /**
   * Makes one call. @returns the body of a successful answer.
   * @param action what is being done, for messages: `submit the task`
   */
  async ask<R extends AnyAnswer>(
    action: string,
    send: (client: Client) => Promise<R>,
    deadlineMs: number = CALL_DEADLINE_MS,
  ): Promise<Result<SuccessOf<R>, Fault>> {
    const answer = await this.fetchWhole(action, send, deadlineMs);
    if (!answer.ok) return answer;
    const document = parseJson(answer.value.body);
    if (!answer.value.ok || document === undefined) {
      return err(problemFault(answer.value.status, document, { action, location: this.location }));
    }
    // `as`: the status is a successful one, and AppType states what the route then answers.
    return ok(document as SuccessOf<R>);
  }

  /** As {@link ask}, for answers that are not JSON. */
  async askBytes<R extends AnyAnswer>(
    action: string,
    send: (client: Client) => Promise<R>,
  ): Promise<Result<Answer, Fault>> {
    const answer = await this.fetchWhole(action, send, CALL_DEADLINE_MS);
    if (!answer.ok || answer.value.ok) return answer;
    return err(problemFault(answer.value.status, parseJson(answer.value.body), { action, location: this.location }));
  }

  /** What stands at a path that a node does not have: the watchdog answers there while none runs. */
  async askPath(action: string, path: string): Promise<Result<unknown, Fault>> {
    const answer = await this.#whole(
      action,
      (signal) =>
        this.#send(signal)(`${this.location.url}${path}`, {
          headers: { authorization: `Bearer ${this.location.token}` },
        }),
      CALL_DEADLINE_MS,
    );
    if (!answer.ok) return answer;
    const document = parseJson(answer.value.body);
    if (answer.value.ok && document !== undefined) return ok(document);
    return err(problemFault(answer.value.status, document, { action, location: this.location }));
  }

  /** A client whose requests carry the token and end with `signal`. */
  client(signal: AbortSignal, headers: Readonly<Record<string, string>> = {}): Client {
    return hc<AppType>(this.location.url, {
      fetch: this.#send(signal),
      headers: { ...headers, authorization: `Bearer ${this.location.token}` },
    });
  }

  #send(signal: AbortSignal): (input: Request | string | URL, init?: RequestInit) => Promise<Response> {
    const { environment, location } = this;
    return (input, init) =>
      environment.fetch(input instanceof Request ? input.url : String(input), {
        ...init,
        signal,
        // Bun's own timeout of a silent connection contradicts itself between versions; the deadline is ours.
        timeout: false,
        // A proxy of the environment is for the outside; it would see the token, and cannot reach this host's loopback.
        ...(isLoopback(location.url) ? { proxy: false } : {}),
      });
  }

  /** Sends, and reads the whole answer within the deadline. A call that comes too soon for the node is made again. */
  fetchWhole<R extends AnyAnswer>(
    action: string,
    send: (client: Client) => Promise<R>,
    deadlineMs: number,
  ): Promise<Result<Answer, Fault>> {
    return this.#whole(action, (signal) => send(this.client(signal)), deadlineMs);
  }

  async #whole(
    action: string,
    send: (signal: AbortSignal) => Promise<AnyAnswer>,
    deadlineMs: number,
  ): Promise<Result<Answer, Fault>> {
    const { clock, interrupted } = this.environment;
    const late = new AbortController();
    const timer = clock.after(deadlineMs, () => late.abort());
    const signal = AbortSignal.any([late.signal, interrupted]);
    try {
      for (;;) {
        const { ok: isOk, status, headers, ...rest } = await readWhole(await send(signal));
        const againInMs = status === 429 ? retryAfterMs(headers) : undefined;
        if (againInMs === undefined || signal.aborted) return ok({ ok: isOk, status, headers, ...rest });
        await pause(clock, againInMs, signal);
      }
    } catch (cause) {
      if (interrupted.aborted) return err(interruptedFault(action));
      return err(late.signal.aborted ? this.#late(action, deadlineMs) : this.unreachable(action, cause));
    } finally {
      timer.cancel();
    }
  }

  unreachable(action: string, cause: unknown): Fault {
    return {
      failure: {
        kind: "retryable",
        code: "unavailable",
        message: `${action}: no answer from ${this.location.url} (${reasonOf(cause)})`,
        remedy: "Start a node with: drover up (or name another with --url URL or --state DIR)",
      },
      exit: EXIT.unreachable,
    };
  }

  #late(action: string, deadlineMs: number): Fault {
    return {
      failure: {
        kind: "retryable",
        code: "timed_out",
        message: `${action}: ${this.location.url} did not answer within ${deadlineMs / 1_000} s`,
        remedy: "See whether the node is overloaded: drover status, and the node's log",
      },
      exit: EXIT.timedOut,
    };
  }
}

/** A person pressed Ctrl-C. */
export function interruptedFault(action: string): Fault {
  return { failure: { kind: "cancelled", code: "cancelled", message: `${action}: interrupted` }, exit: EXIT.failed };
}

async function readWhole(answer: AnyAnswer): Promise<Answer> {
  const { ok: isOk, status, headers } = answer;
  return { ok: isOk, status, headers, body: new Uint8Array(await answer.arrayBuffer()) };
}

/** Set by the rate limit; a limit of the queue ("full") comes without it and is not waited for. */
function retryAfterMs(headers: Headers): number | undefined {
  const seconds = Number(headers.get("retry-after") ?? "");
  return seconds > 0 && seconds <= LONGEST_RETRY_AFTER_SECONDS ? seconds * 1_000 : undefined;
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}

/** Bun puts the cause into `code` (ECONNREFUSED, ConnectionRefused); the message alone often says only "Unable to connect". */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : undefined;
  if (code === "ECONNREFUSED" || code === "ConnectionRefused") return "connection refused";
  return code === undefined ? cause.message : `${code}: ${cause.message}`;
}
