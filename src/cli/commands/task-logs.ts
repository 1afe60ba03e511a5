import type { TaskView } from "#api";
import type { Result } from "#base";
import { type Answer, type Api, interruptedFault } from "../connection/api.ts";
import { pause } from "../connection/pause.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Console, Fault } from "../output/console.ts";
import { safeLog } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { hasEnded } from "../tasks/task-text.ts";

/** A log grows without events, so it is asked for: soon while it grows, seldom while it is silent. */
const SHORTEST_PAUSE_MS = 150;
const LONGEST_PAUSE_MS = 2_000;

type LogFlags = { readonly follow: boolean; readonly attempt: number | undefined };

export const taskLogs: Handler<LogFlags> = async ({ args, options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const reader = new LogReader(args[0] ?? "", api.value, context);
  const fault = options.follow ? await reader.follow(options.attempt) : await reader.once(options.attempt);
  return fault === undefined ? EXIT.ok : console.fail(fault);
};

class LogReader {
  readonly #id: string;
  readonly #api: Api;
  readonly #context: CommandContext;

  constructor(id: string, api: Api, context: CommandContext) {
    this.#id = id;
    this.#api = api;
    this.#context = context;
  }

  /** Prints what is there. */
  async once(attempt: number | undefined): Promise<Fault | undefined> {
    const printer = new LogPrinter(this.#id, this.#context.console);
    let known = attempt;
    for (let offset = 0; ; ) {
      const chunk = await this.#chunk(known, offset);
      if (!chunk.ok) return chunk.error;
      const place = placeOf(chunk.value);
      known = place.attempt;
      printer.print(chunk.value.body, place.attempt);
      offset = place.nextOffset;
      if (chunk.value.body.byteLength === 0 || offset >= place.sizeBytes) break;
    }
    printer.end();
    return undefined;
  }

  /** Prints until the task has ended, attempt after attempt; with `only` until that attempt has ended. */
  async follow(only: number | undefined): Promise<Fault | undefined> {
    const { clock, interrupted } = this.#context.environment;
    const printer = new LogPrinter(this.#id, this.#context.console);
    let attempt = only;
    let offset = 0;
    let pauseMs = SHORTEST_PAUSE_MS;
    while (!interrupted.aborted) {
      // The task is read before its log: when it had ended by then, the log that follows is whole.
      const task = await this.#task();
      if (!task.ok) return task.error;
      attempt ??= latestAttempt(task.value);
      const hasStarted = isStarted(task.value, attempt);
      const hasFinished = task.value.attempts.some(({ n }) => n === attempt);
      if (hasStarted) {
        const chunk = await this.#chunk(attempt, offset);
        if (!chunk.ok && (chunk.error.failure.code !== "not_found" || hasFinished)) return chunk.error;
        if (chunk.ok && chunk.value.body.byteLength > 0) {
          printer.print(chunk.value.body, attempt);
          offset = placeOf(chunk.value).nextOffset;
          pauseMs = SHORTEST_PAUSE_MS;
          continue;
        }
      }
      if (hasFinished || (hasEnded(task.value) && !hasStarted)) {
        printer.end();
        if (only !== undefined || hasEnded(task.value)) return undefined;
        attempt += 1;
        offset = 0;
        this.#context.console.note(`attempt ${attempt} follows`);
      }
      await pause(clock, pauseMs, interrupted);
      pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2);
    }
    return interruptedFault("print the log");
  }

  #task(): Promise<Result<TaskView, Fault>> {
    return this.#api.ask("print the log", (client) => client.api.tasks[":id"].$get({ param: { id: this.#id } }));
  }

  #chunk(attempt: number | undefined, offset: number): Promise<Result<Answer, Fault>> {
    const query = { offset: String(offset), ...(attempt === undefined ? {} : { attempt: String(attempt) }) };
    return this.#api.askBytes("print the log", (client) =>
      client.api.tasks[":id"].log.$get({ param: { id: this.#id }, query }),
    );
  }
}

/** Writes bytes as they are to a pipe, text without dangerous sequences to a terminal, one document per piece under --json. */
class LogPrinter {
  readonly #id: string;
  readonly #console: Console;
  #decoder = new TextDecoder();
  #attempt = 0;

  constructor(id: string, console: Console) {
    this.#id = id;
    this.#console = console;
  }

  print(bytes: Uint8Array, attempt: number): void {
    this.#attempt = attempt;
    if (bytes.byteLength === 0) return;
    if (!this.#console.json && !this.#console.out.isTerminal) this.#console.raw(bytes);
    else this.#text(this.#decoder.decode(bytes, { stream: true }));
  }

  /** A character cut in two by the end of the log is shown as what is left of it. */
  end(): void {
    const rest = this.#decoder.decode();
    this.#decoder = new TextDecoder();
    this.#text(rest);
  }

  #text(text: string): void {
    if (text === "") return;
    if (this.#console.json) this.#console.jsonLine({ taskId: this.#id, attempt: this.#attempt, text });
    else this.#console.raw(safeLog(text));
  }
}

function placeOf({ headers, body }: Answer): {
  readonly attempt: number;
  readonly nextOffset: number;
  readonly sizeBytes: number;
} {
  const number = (name: string, fallback: number): number => {
    const given = Number(headers.get(name) ?? "");
    return Number.isSafeInteger(given) && given > 0 ? given : fallback;
  };
  const nextOffset = number("x-next-offset", body.byteLength);
  return { attempt: number("x-attempt", 1), nextOffset, sizeBytes: number("x-log-size", nextOffset) };
}

function latestAttempt(task: TaskView): number {
  return hasEnded(task) ? Math.max(1, task.attempts.at(-1)?.n ?? 1) : task.attemptCount + 1;
}

function isStarted(task: TaskView, attempt: number): boolean {
  if (task.attempts.some(({ n }) => n === attempt)) return true;
  return task.state === "running" && task.attemptCount + 1 === attempt;
}
