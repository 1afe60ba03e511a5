import type { Result } from "#base";
import { type Answer, type Api, interruptedFault } from "../connection/api.ts";
import { follow } from "../connection/follow.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Console, Fault } from "../output/console.ts";
import { safeLog } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";

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
    const { console, environment } = this.#context;
    const printer = new LogPrinter(this.#id, console);
    const query = {
      // Steps are for programs, which have no use for the same in words.
      form: console.json ? ("steps" as const) : ("output" as const),
      ...(only === undefined ? {} : { attempt: String(only) }),
    };
    const stream = follow(this.#api, "print the log", {
      open: (client) => client.api.tasks[":id"].log.stream.$get({ param: { id: encodeURIComponent(this.#id) }, query }),
      lastEventId: undefined,
      signal: environment.interrupted,
    });
    for (;;) {
      const next = await stream.next();
      if (next.done === true) return next.value ?? interruptedFault("print the log");
      if (next.value.kind === "lost") console.note(`${next.value.reason}; connecting again`);
      if (next.value.kind !== "event") continue;
      const { event, data } = next.value.event;
      const read = readData(data);
      if (event === "end" && read.reason === "ended") {
        await stream.return(undefined);
        return undefined;
      }
      if (event === "attempt" && read.attempt !== undefined) console.note(`attempt ${read.attempt} follows`);
      if (event === "gap") console.note(`the rest of attempt ${read.attempt ?? 1} is missing: ${read.why ?? ""}`);
      if (event === "step") console.jsonLine({ taskId: this.#id, ...read.whole });
      if (event === "output") printer.piece(read);
    }
  }

  #chunk(attempt: number | undefined, offset: number): Promise<Result<Answer, Fault>> {
    const query = { offset: String(offset), ...(attempt === undefined ? {} : { attempt: String(attempt) }) };
    return this.#api.askBytes("print the log", (client) =>
      client.api.tasks[":id"].log.$get({ param: { id: encodeURIComponent(this.#id) }, query }),
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

  /** A piece of the stream, which cuts no character. */
  piece({ bytes, attempt = 1 }: { readonly bytes: Uint8Array; readonly attempt: number | undefined }): void {
    this.print(bytes, attempt);
    this.end();
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

type StreamData = {
  readonly whole: object;
  readonly attempt: number | undefined;
  readonly reason: string | undefined;
  readonly why: string | undefined;
  readonly bytes: Uint8Array;
};

/** What the command reads of an event of the stream; a newer node may say more. */
function readData(data: string): StreamData {
  const value: unknown = JSON.parse(data);
  const whole: { readonly [name: string]: unknown } = typeof value === "object" && value !== null ? { ...value } : {};
  const { attempt, reason, why, text, base64 } = whole;
  const bytes =
    typeof base64 === "string"
      ? Uint8Array.fromBase64(base64)
      : new TextEncoder().encode(typeof text === "string" ? text : "");
  return {
    whole,
    attempt: typeof attempt === "number" ? attempt : undefined,
    reason: typeof reason === "string" ? reason : undefined,
    why: typeof why === "string" ? why : undefined,
    bytes,
  };
}
