/** What is kept of builds: a row for each try, and when a person forgave failures. In `source-builds/` of the state. */
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type SourceBuild, sourceBuildSchema } from "#api";
import { writeDurably } from "../state-folder.ts";

/** A build takes minutes: weeks of an agent that tries all the time. */
const MAX_ROWS = 200;
/** Each row is bounded by what its steps and its output are cut to. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;

const forgivenSchema = z.object({ atMs: z.int() });

export class BuildRecords {
  readonly #folder: string;
  #rows: readonly SourceBuild[] | undefined;
  #forgivenAtMs: number | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Oldest first. A line that cannot be read is left out. */
  rows(): readonly SourceBuild[] {
    this.#rows ??= this.#read("history.ndjson").flatMap((line) => parsed(line, sourceBuildSchema));
    return this.#rows;
  }

  add(row: SourceBuild): void {
    this.replace([...this.rows(), row].slice(-MAX_ROWS));
  }

  replace(rows: readonly SourceBuild[]): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    writeDurably(join(this.#folder, "history.ndjson"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    this.#rows = rows;
  }

  /** 0 when nobody ever did. */
  get forgivenAtMs(): number {
    this.#forgivenAtMs ??= this.#read("forgiven.json").flatMap((line) => parsed(line, forgivenSchema))[0]?.atMs ?? 0;
    return this.#forgivenAtMs;
  }

  forgive(atMs: number): void {
    this.#forgivenAtMs = atMs;
    if (!existsSync(this.#folder)) return; // Nothing was ever built.
    writeDurably(join(this.#folder, "forgiven.json"), `${JSON.stringify({ atMs })}\n`);
  }

  #read(name: string): readonly string[] {
    const path = join(this.#folder, name);
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (size === 0 || size > MAX_FILE_BYTES) return [];
    return readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  }
}

function parsed<S extends z.ZodType>(line: string, schema: S): readonly z.output<S>[] {
  try {
    const result = schema.safeParse(JSON.parse(line));
    return result.success ? [result.data] : [];
  } catch {
    return []; // Cut off or damaged.
  }
}
