import { existsSync } from "node:fs";
import { describeFailure, type Failure, ok, type Result } from "#base";
import type { LoopStep } from "../loop/loop-step.ts";
import { stepRecord } from "../loop/step-record.ts";
import { plainText } from "../plain-text.ts";
import { LogFile } from "./log-file.ts";
import { stepsPathOf } from "./log-retention.ts";

/** 20 replies of 16 calls take a hundredth of it; what comes after it is in the log alone. */
const MAX_STEPS_BYTES = 16 * 1024 * 1024;

/** What is left to read of an attempt while it runs: its output for people, the steps of a tool loop for programs. */
export class AttemptLog {
  readonly output: LogFile;
  readonly #path: string;
  readonly #encoder = new TextEncoder();
  /** Opened by the first step: a command has none. Null once it could not be opened. */
  #steps: LogFile | null | undefined;

  private constructor(path: string, output: LogFile) {
    this.#path = path;
    this.output = output;
  }

  static open(path: string, limitBytes: number): Result<AttemptLog, Failure> {
    const output = LogFile.open(path, limitBytes);
    return output.ok ? ok(new AttemptLog(path, output.value)) : output;
  }

  /** A line of drover's own among the output. */
  note(line: string): void {
    this.output.append(this.#encoder.encode(`drover: ${plainText(line)}\n`));
  }

  /** Written through, as the output is. */
  step(step: LoopStep, atMs: number): void {
    if (this.#steps === undefined) this.#steps = this.#openSteps();
    this.#steps?.append(this.#encoder.encode(`${stepRecord(step, atMs)}\n`));
  }

  close(): void {
    this.output.close();
    this.#steps?.close();
  }

  #openSteps(): LogFile | null {
    const path = stepsPathOf(this.#path);
    const isBegun = existsSync(path);
    const steps = LogFile.open(path, MAX_STEPS_BYTES);
    if (steps.ok) {
      // A worker of an earlier claim may have been killed within a line; what follows must not be taken for its rest.
      if (isBegun) steps.value.append(this.#encoder.encode("\n"));
      return steps.value;
    }
    this.note(`the steps cannot be kept for programs: ${describeFailure(steps.error)}`);
    return null;
  }
}
