import { redactValue } from "#base";
import { type LoopStep, stepLine } from "./loop-step.ts";

/** Texts in a step are short by themselves; a failure that quotes a whole answer is not. */
export const MAX_STEP_RECORD_CHARS = 8_192;

/** @returns a step for programs: one line of JSON without secrets, with the same in words as `line`. */
export function stepRecord(step: LoopStep, atMs: number): string {
  const line = stepLine(step);
  // `as`: redaction keeps what is an object one.
  const whole = JSON.stringify({ ...(redactValue({ atMs, ...step }) as object), line });
  return whole.length <= MAX_STEP_RECORD_CHARS ? whole : JSON.stringify({ atMs, kind: step.kind, line });
}
