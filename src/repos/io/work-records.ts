/** What a node keeps on disk of attempts whose changes are on no branch yet, a file for each. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

const recordSchema = z.object({
  repository: z.string(),
  workId: z.string().default(""),
  shares: z.boolean().default(false),
  taskId: z.string(),
  attempt: z.int(),
  fence: z.string(),
  branch: z.string(),
  gitDir: z.string(),
  base: z.string(),
  main: z.string(),
  changes: z.enum(["keep", "discard"]).default("keep"),
  /** What it changed, while nobody has said yet whether its end counts. */
  waiting: z.string().optional(),
});
/** From which commit of what an attempt works; kept on disk until its changes are on the branch. */
export type WorkRecord = z.infer<typeof recordSchema>;

export class WorkRecords {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  all(): readonly WorkRecord[] {
    if (!existsSync(this.#folder)) return [];
    return readdirSync(this.#folder).flatMap((name) => this.read(name.replace(/\.json$/, "")) ?? []);
  }

  write(record: WorkRecord): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const path = this.#path(record.taskId);
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600, flush: true });
    renameSync(`${path}.new`, path);
  }

  read(taskId: string): WorkRecord | undefined {
    try {
      const read = recordSchema.safeParse(JSON.parse(readFileSync(this.#path(taskId), "utf8")));
      return read.success ? read.data : undefined;
    } catch {
      return undefined; // there is none, or it was not written to its end
    }
  }

  /** Twice is no fault. */
  remove(taskId: string): void {
    rmSync(this.#path(taskId), { force: true });
  }

  #path(taskId: string): string {
    return join(this.#folder, `${taskId}.json`);
  }
}
