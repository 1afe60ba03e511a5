/**
 * A folder whose files become goals, for people and programs that can write a file and nothing else. Each file becomes one
 * goal, also when a crash comes between: its name and its content are the key of the goal. What was taken is moved to
 * `done`, what is no goal to `failed`, with the reason beside.
 */
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, parse } from "node:path";
import { type Clock, describeFailure, err, type JsonObject, type Logger, ok, type Result, refused } from "#base";
import { type DocumentFormat, MAX_DOCUMENT_CHARS, readDocument } from "#goals";
import { type Repeated, repeat } from "../repeat.ts";
import type { GoalSubmissions } from "./open-goals.ts";

const LOOK_MS = 5_000;
/** What was written to more lately than this may not be whole. */
const SETTLED_MS = 2_000;
/** Taken in one look; the rest follows with the next. */
const MAX_FILES = 100;
/** As the limit on documents, in bytes of the longest characters. */
const MAX_FILE_BYTES = 4 * MAX_DOCUMENT_CHARS;
const KEY_CHARS = 32;

const FORMATS: Readonly<Record<string, DocumentFormat>> = {
  ".md": "md",
  ".markdown": "md",
  ".toml": "toml",
  ".xml": "xml",
};

export type GoalInboxParts = {
  readonly folder: string;
  readonly submissions: GoalSubmissions;
  readonly clock: Clock;
  readonly logger: Logger;
};

export class GoalInbox {
  readonly #parts: GoalInboxParts;
  readonly #looks: Repeated;
  /** Said once, until it is another one. */
  #trouble: string | undefined;

  constructor(parts: GoalInboxParts) {
    this.#parts = parts;
    this.#looks = repeat(parts.clock, 0, async () => {
      await this.look();
      return LOOK_MS;
    });
  }

  start(): void {
    this.#looks.start();
  }

  /** Settles when a look that is under way is over. */
  stop(): Promise<void> {
    return this.#looks.stop();
  }

  /** Takes what lies there. Never throws. */
  async look(): Promise<void> {
    try {
      for (const name of this.#names()) {
        if (this.#looks.isStopped) return;
        const taken = await this.#take(name);
        if (taken.ok) continue;
        if (taken.error.kind !== "refused" || taken.error.code === "limit") {
          this.#say(`${name} waits: ${describeFailure(taken.error)}`);
          return; // What keeps one waiting keeps them all.
        }
        this.#move(name, "failed", name);
        writeFileSync(join(this.#parts.folder, "failed", `${name}.reason.txt`), `${describeFailure(taken.error)}\n`);
      }
      this.#trouble = undefined;
    } catch (cause) {
      this.#say(String(cause));
    }
  }

  #say(trouble: string): void {
    const { folder, logger } = this.#parts;
    if (this.#trouble !== trouble) logger.warn("files of goals are not taken", { folder, why: trouble });
    this.#trouble = trouble;
  }

  /** Plain files of a known ending that nobody is writing. */
  #names(): readonly string[] {
    const { folder, clock } = this.#parts;
    const isReady = (name: string): boolean => {
      if (name.startsWith(".") || formatOf(name) === undefined) return false;
      const seen = lstatSync(join(folder, name), { throwIfNoEntry: false });
      return seen?.isFile() === true && clock.nowMs() - seen.mtimeMs >= SETTLED_MS;
    };
    return readdirSync(folder).sort().filter(isReady).slice(0, MAX_FILES);
  }

  async #take(name: string): Promise<Result<void>> {
    const { folder, submissions } = this.#parts;
    const text = textOf(join(folder, name));
    if (!text.ok) return text;
    const read = await readDocument(text.value, formatOf(name) ?? "md", (toml) => Bun.TOML.parse(toml));
    if (!read.ok) return err(refused("invalid", `it cannot be read: ${read.error}`));
    const { kind, body } = read.value;
    if (kind !== "goal") return err(refused("unsupported", `it is a document of a ${kind}, and no goal`));
    const handedIn = await submissions.submit({ ...defaultsOf(name, text.value), ...body });
    if (!handedIn.ok) return handedIn;
    const { name: stem, ext } = parse(name);
    this.#move(name, "done", `${stem}.${handedIn.value.id}${ext}`);
    return ok(undefined);
  }

  #move(name: string, to: "done" | "failed", as: string): void {
    const { folder } = this.#parts;
    mkdirSync(join(folder, to), { recursive: true });
    renameSync(join(folder, name), join(folder, to, as));
  }
}

function formatOf(name: string): DocumentFormat | undefined {
  return FORMATS[parse(name).ext.toLowerCase()];
}

function defaultsOf(name: string, text: string): JsonObject {
  const digest = createHash("sha256").update(`${name}\0${text}`).digest("hex");
  return { channel: "file", idempotencyKey: `inbox:${digest.slice(0, KEY_CHARS)}` };
}

function textOf(path: string): Result<string> {
  const { size } = lstatSync(path);
  if (size > MAX_FILE_BYTES) return err(refused("too_large", `it is larger than ${MAX_FILE_BYTES} bytes`));
  try {
    return ok(new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path)));
  } catch (cause) {
    if (cause instanceof TypeError) return err(refused("invalid", "it is no text in UTF-8"));
    throw cause;
  }
}
