import type { Result } from "#base";
import { interruptedFault } from "../connection/api.ts";
import { pause } from "../connection/pause.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import { durationText, plural } from "../output/quantities.ts";

/** How often a drain is looked at. */
const DRAIN_EVERY_MS = 500;

export type Drain<Answer> = {
  /** As a verb phrase. */
  readonly what: string;
  readonly ask: () => Promise<Result<Answer, Fault>>;
  readonly runningIn: (answer: Answer) => number;
  /** How many answers in a row have to say that nothing runs. */
  readonly looks: number;
  readonly timeoutMs: number | undefined;
  readonly remedy: string;
};

/** Asks until nothing runs any more. @returns the last answer */
export async function untilDrained<Answer>(
  { what, ask, runningIn, looks, timeoutMs, remedy }: Drain<Answer>,
  { console, environment }: CommandContext,
): Promise<Result<Answer, Fault>> {
  const { clock, interrupted } = environment;
  const startedMs = clock.monotonicMs();
  let told = 0;
  let quiet = 0;
  while (!interrupted.aborted) {
    const answer = await ask();
    if (!answer.ok) return answer;
    const running = runningIn(answer.value);
    quiet = running === 0 ? quiet + 1 : 0;
    if (quiet >= looks) return answer;
    if (running > 0 && running !== told) console.note(`waiting for ${plural(running, "attempt")} to end`);
    told = running;
    if (timeoutMs !== undefined && clock.monotonicMs() - startedMs >= timeoutMs) {
      const message = `${what}: ${plural(running, "attempt")} still ${running === 1 ? "runs" : "run"} after ${durationText(timeoutMs)}`;
      return {
        ok: false,
        error: { failure: { kind: "retryable", code: "timed_out", message, remedy }, exit: EXIT.timedOut },
      };
    }
    await pause(clock, DRAIN_EVERY_MS, interrupted);
  }
  return { ok: false, error: interruptedFault(what) };
}
