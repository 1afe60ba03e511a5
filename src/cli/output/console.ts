import { type Failure, type FieldFault, redactText } from "#base";
import type { TextOutput } from "../environment.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { type Column, renderTable } from "./table.ts";
import { describeTerminal, paint, type Terminal, type Tone } from "./terminal.ts";
import { manyLines } from "./text.ts";

/** A failure with the exit code it ends the command with, and the API's own words when it came from there. */
export type Fault = {
  readonly failure: Failure;
  readonly exit: ExitCode;
  /** The problem document of the API, printed as it is under `--json`. */
  readonly document?: unknown;
};

export type ConsoleOptions = {
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly noColor: boolean;
};

/**
 * Prints for one command. What was asked for goes to the standard output, everything else (progress, hints, errors)
 * to the standard error, so that a pipe carries results only.
 */
export class Console {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly #stdout: TextOutput;
  readonly #stderr: TextOutput;
  readonly #describe: (output: TextOutput) => Terminal;
  #out: Terminal | undefined;
  #err: Terminal | undefined;

  constructor(options: ConsoleOptions) {
    this.#stdout = options.stdout;
    this.#stderr = options.stderr;
    this.json = options.json;
    this.quiet = options.quiet;
    this.#describe = (output) => describeTerminal(output, options.env, options.noColor);
  }

  /** What the standard output can show. */
  get out(): Terminal {
    this.#out ??= this.#describe(this.#stdout);
    return this.#out;
  }

  /** What the standard error can show. */
  get err(): Terminal {
    this.#err ??= this.#describe(this.#stderr);
    return this.#err;
  }

  /** What the standard output can show now, for what redraws itself: windows change their size. */
  get screen(): Terminal & { readonly rows: number | undefined } {
    this.#out = undefined;
    return { ...this.out, rows: this.#stdout.rows };
  }

  /** Whether whoever read the standard output has left. */
  get isClosed(): boolean {
    return this.#stdout.isClosed;
  }

  /** Calls back when the window has another size. @returns a function that ends it. */
  onResize(listener: () => void): () => void {
    return this.#stdout.onResize(listener);
  }

  /** One line on the standard output. The caller has made foreign text safe. */
  line(text = ""): void {
    this.#stdout.write(`${text}\n`);
  }

  /** Text or bytes on the standard output exactly as given. */
  raw(text: string | Uint8Array): void {
    this.#stdout.write(text);
  }

  /** One JSON document on the standard output. */
  document(value: unknown): void {
    this.#stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  }

  /** One JSON document on a line of its own, for streams. */
  jsonLine(value: unknown): void {
    this.#stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** The documents of several things that were asked for at once: one is printed whole, several one per line. */
  documents(values: readonly unknown[]): void {
    if (values.length === 1) this.document(values[0]);
    else for (const value of values) this.jsonLine(value);
  }

  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    for (const line of renderTable(rows, columns, this.out)) this.line(line);
  }

  paint(tone: Tone | undefined, text: string): string {
    return paint(this.out, tone, text);
  }

  /** A line for a person beside the result; silent with `--quiet`. */
  note(text: string): void {
    if (!this.quiet) this.#stderr.write(`${text}\n`);
  }

  /** Text on the standard error as given, for what redraws itself; silent with `--quiet`. */
  noteRaw(text: string): void {
    if (!this.quiet) this.#stderr.write(text);
  }

  /** What to do next, after a result on a terminal; scripts do not see it. */
  hint(text: string): void {
    if (this.out.isTerminal && !this.json) this.note(paint(this.err, "faint", text));
  }

  /** Prints what failed, why and what to do. @returns the exit code: that of the fault, else by the failure's code. */
  fail(fault: Failure | Fault): ExitCode {
    const { failure, exit, document } =
      "failure" in fault ? fault : { failure: fault, exit: exitFor(fault), document: undefined };
    if (this.json) {
      this.#stderr.write(`${JSON.stringify(document ?? problemDocument(failure))}\n`);
      return exit;
    }
    this.#stderr.write(`${paint(this.err, "bad", "drover:")} ${manyLines(redactText(failure.message))}\n`);
    const faults = failure.faults ?? [];
    for (const fault of faults) {
      // A fault of the whole input names no field, and of a single one the message has said all of it.
      const isAlone = fault.path === "" || faults.length === 1;
      const isSaid = isAlone && failure.message.includes(fault.reason) && failure.message.includes(fault.path);
      if (!isSaid) this.#stderr.write(`  ${faultLine(fault)}\n`);
    }
    if (failure.remedy !== undefined) {
      this.#stderr.write(`  ${paint(this.err, "strong", "next:")} ${manyLines(redactText(failure.remedy))}\n`);
    }
    return exit;
  }
}

function faultLine({ path, reason }: FieldFault): string {
  return manyLines(redactText(path === "" ? reason : `${path}: ${reason}`));
}

function exitFor(failure: Failure): ExitCode {
  return failure.code === "timed_out" ? EXIT.timedOut : EXIT.failed;
}

/** A failure of the CLI itself in the shape of the API's problem documents. */
function problemDocument(failure: Failure): object {
  return {
    type: `urn:drover:problem:${failure.code}`,
    detail: redactText(failure.message),
    code: failure.code,
    ...(failure.remedy === undefined ? {} : { remedy: redactText(failure.remedy) }),
    ...(failure.faults === undefined ? {} : { errors: failure.faults }),
  };
}
