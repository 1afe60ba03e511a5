import type { Clock } from "#base";
import type { InferenceFailure } from "./chat.ts";
import type { ClientEvent, EmbedOutcome } from "./client.ts";
import { inferenceFailure } from "./failure.ts";

/** How long a reply may keep silent. Time in which nobody reads the stream does not count. */
export type Deadlines = {
  /** From the request to the first sign of the reply: waiting, loading and reading the prompt all happen in it. */
  readonly firstTokenMs: number;
  readonly betweenTokensMs: number;
  readonly totalMs: number;
};

type Stopped = { readonly stopped: InferenceFailure };

/**
 * Holds a stream to its deadlines and to a caller that gives up. When one passes, the signal handed to `open` is
 * aborted, which closes the connection, and the stream ends with `timedOut` or `cancelled`.
 */
export async function* withDeadlines(
  open: (signal: AbortSignal) => AsyncIterable<ClientEvent>,
  deadlines: Deadlines,
  clock: Clock,
  outer: AbortSignal,
): AsyncGenerator<ClientEvent, void, void> {
  const inner = new AbortController();
  const stream = open(inner.signal)[Symbol.asyncIterator]();
  const startedMs = clock.monotonicMs();
  let seen = false;
  try {
    for (;;) {
      const leftMs = deadlines.totalMs - (clock.monotonicMs() - startedMs);
      const silenceMs = seen ? deadlines.betweenTokensMs : deadlines.firstTokenMs;
      const next = await nextWithin(stream, Math.min(leftMs, silenceMs), clock, outer, () =>
        lateness(leftMs <= silenceMs, seen, deadlines),
      );
      if ("stopped" in next) {
        yield { kind: "failed", failure: { ...next.stopped, afterFirstToken: seen } };
        return;
      }
      if (next.done === true) {
        yield {
          kind: "failed",
          failure: inferenceFailure("cut", "the stream ended without its end", { afterFirstToken: seen }),
        };
        return;
      }
      const event = next.value;
      yield event.kind === "failed" && seen
        ? { kind: "failed", failure: { ...event.failure, afterFirstToken: true } }
        : event;
      if (event.kind === "done" || event.kind === "failed") return;
      seen = true;
    }
  } finally {
    // Also when the reader went away: nobody may generate for nobody.
    inner.abort();
    void stream.return?.().catch(() => undefined);
  }
}

/** Holds an answer that comes all at once to its limit and to a caller that gives up; either closes the connection. */
export async function within(
  open: (signal: AbortSignal) => Promise<EmbedOutcome>,
  limitMs: number,
  clock: Clock,
  outer: AbortSignal,
): Promise<EmbedOutcome> {
  const inner = new AbortController();
  const { promise, resolve } = Promise.withResolvers<EmbedOutcome>();
  const end = (kind: "cancelled" | "timedOut", message: string): void =>
    resolve({ kind: "failed", failure: inferenceFailure(kind, message) });
  const onAbort = (): void => end("cancelled", "the request was cancelled");
  if (outer.aborted) onAbort();
  const timer = clock.after(limitMs, () => end("timedOut", `no vectors came within ${limitMs} ms`));
  outer.addEventListener("abort", onAbort);
  try {
    return await Promise.race([promise, open(inner.signal)]);
  } finally {
    timer.cancel();
    outer.removeEventListener("abort", onAbort);
    inner.abort();
  }
}

function lateness(isTotal: boolean, seen: boolean, deadlines: Deadlines): InferenceFailure {
  if (isTotal) return inferenceFailure("timedOut", `the reply took longer than ${deadlines.totalMs} ms`);
  return seen
    ? inferenceFailure("timedOut", `nothing of the reply came for ${deadlines.betweenTokensMs} ms`)
    : inferenceFailure("timedOut", `no first token came within ${deadlines.firstTokenMs} ms`);
}

async function nextWithin(
  stream: AsyncIterator<ClientEvent>,
  limitMs: number,
  clock: Clock,
  outer: AbortSignal,
  late: () => InferenceFailure,
): Promise<IteratorResult<ClientEvent> | Stopped> {
  const cancelled = (): Stopped => ({ stopped: inferenceFailure("cancelled", "the request was cancelled") });
  if (outer.aborted) return cancelled();
  const { promise, resolve } = Promise.withResolvers<Stopped>();
  const timer = clock.after(Math.max(0, limitMs), () => resolve({ stopped: late() }));
  const onAbort = (): void => resolve(cancelled());
  outer.addEventListener("abort", onAbort);
  try {
    return await Promise.race([stream.next(), promise]);
  } finally {
    timer.cancel();
    outer.removeEventListener("abort", onAbort);
  }
}
