/** Follows the node's events across lost connections and restarts of the node. */
import type { Clock, Result } from "#base";
import type { Fault } from "../output/console.ts";
import type { Api, Client } from "./api.ts";
import { EventStreamParser, type ServerSentEvent } from "./event-stream.ts";
import { pause } from "./pause.ts";
import { problemFault } from "./problem.ts";

export type Followed =
  /** The stream is open from here on; whatever is read afterwards is newer than its first event. */
  | { readonly kind: "connected" }
  | { readonly kind: "event"; readonly event: ServerSentEvent }
  /** The connection ended; another try is made. */
  | { readonly kind: "lost"; readonly reason: string };

export type FollowOptions = {
  /** Opens the stream with this client. */
  readonly open: (client: Client) => Promise<{ readonly ok: boolean; readonly status: number; readonly body: unknown }>;
  /** Where to go on: only events after this id are asked for. */
  readonly lastEventId: string | undefined;
  /** Ends the stream. */
  readonly signal: AbortSignal;
};

/** The node sends a comment every few seconds; a longer silence is a dead connection. */
export const SILENCE_MS = 30_000;
/** A node that is restarted or updated is back well before; after that somebody has to look. */
export const PATIENCE_MS = 60_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 3_000;

/**
 * @returns (as the generator's value) the fault that ended it: at once when the node refuses or was never reached, after
 * {@link PATIENCE_MS} when it went away; undefined when `signal` was aborted or nobody listens any more.
 */
export async function* follow(
  api: Api,
  action: string,
  options: FollowOptions,
): AsyncGenerator<Followed, Fault | undefined> {
  const { clock } = api.environment;
  let lastEventId = options.lastEventId;
  let lostAtMs: number | undefined;
  let pauseMs = FIRST_PAUSE_MS;
  while (!options.signal.aborted) {
    const connection = new Connection(clock, options.signal);
    try {
      const opened = await connection.open(api, action, options, lastEventId);
      if (!opened.ok) {
        if (hasEnded(options.signal)) return undefined;
        const isRefusal = opened.error.document !== undefined;
        if (isRefusal || lostAtMs === undefined || clock.monotonicMs() - lostAtMs > PATIENCE_MS) return opened.error;
      } else {
        yield { kind: "connected" };
        lostAtMs = undefined;
        pauseMs = FIRST_PAUSE_MS;
        for await (const event of connection.events(opened.value)) {
          lastEventId = resumeAfter(event) ?? event.id ?? lastEventId;
          yield { kind: "event", event };
        }
        if (hasEnded(options.signal)) return undefined;
        lostAtMs = clock.monotonicMs();
        yield { kind: "lost", reason: connection.silent ? "the node fell silent" : "the connection ended" };
      }
    } finally {
      connection.close();
    }
    await pause(clock, pauseMs, options.signal);
    pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
  }
  return undefined;
}

/** Asked through a function, because the compiler takes a property that was false once for false from then on. */
function hasEnded(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** A node that ends a stream says where to go on, also to a client that has seen no event yet. */
function resumeAfter(event: ServerSentEvent): string | undefined {
  if (event.event !== "end") return undefined;
  return /"resumeAfter":"?([\w.]+)/.exec(event.data)?.[1];
}

/** One connection with its watch for silence. */
class Connection {
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  readonly #signal: AbortSignal;
  #timer: { readonly cancel: () => void } | undefined;
  silent = false;

  constructor(clock: Clock, signal: AbortSignal) {
    this.#clock = clock;
    this.#signal = AbortSignal.any([signal, this.#ended.signal]);
  }

  async open(
    api: Api,
    action: string,
    options: FollowOptions,
    lastEventId: string | undefined,
  ): Promise<Result<ReadableStream<Uint8Array>, Fault>> {
    this.#watch();
    const headers = {
      accept: "text/event-stream",
      ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
    };
    try {
      const response = await options.open(api.client(this.#signal, headers));
      if (response.ok && response.body instanceof ReadableStream) {
        return { ok: true, value: response.body as ReadableStream<Uint8Array> }; // `as`: bodies of fetch are bytes
      }
      const document = await readDocument(response.body);
      return { ok: false, error: problemFault(response.status, document, { action, location: api.location }) };
    } catch (cause) {
      return { ok: false, error: api.unreachable(action, cause) };
    }
  }

  /** Ends without an error however the connection ends: what follows is the same, another try. */
  async *events(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSentEvent, void> {
    const parser = new EventStreamParser();
    const reader = body.getReader();
    // A stream that is not of a socket does not hear the request's signal.
    const cancel = (): void => void reader.cancel().catch(() => undefined);
    this.#signal.addEventListener("abort", cancel, { once: true });
    try {
      while (!this.#signal.aborted) {
        this.#watch();
        const part = await reader.read().catch(() => ({ done: true as const, value: undefined }));
        if (part.done) return;
        const events = parser.push(part.value);
        if (events === undefined) return;
        yield* events;
      }
    } finally {
      this.#signal.removeEventListener("abort", cancel);
      cancel();
    }
  }

  close(): void {
    this.#timer?.cancel();
    this.#ended.abort();
  }

  #watch(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(SILENCE_MS, () => {
      this.silent = true;
      this.#ended.abort();
    });
  }
}

async function readDocument(body: unknown): Promise<unknown> {
  if (!(body instanceof ReadableStream)) return undefined;
  try {
    return await new Response(body).json();
  } catch {
    // Not JSON: the caller reports that something else answered.
    return undefined;
  }
}
