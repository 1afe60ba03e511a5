/** The databases of a fleet, read by a process that has nothing to do with drover, from copies. */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";

const contentSchema = z.object({
  integrity: z.string(),
  digests: z.record(z.string(), z.string()),
  /** Commands of an outbox that the fleet's database is not known to show. */
  waiting: z.int(),
});
export type Content = z.infer<typeof contentSchema>;

/** @returns what a database holds; undefined when the copy is torn, because it was written meanwhile. */
export function contentOf(path: string): Content | undefined {
  const folder = mkdtempSync(join(tmpdir(), "drover-copy-"));
  try {
    const copy = join(folder, "copy.db");
    copyFileSync(path, copy);
    if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${copy}-wal`);
    const script = join(import.meta.dirname, "table-digests-main.ts");
    const read = spawnSync(process.execPath, [script, copy], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 });
    return read.status === 0 ? contentSchema.parse(JSON.parse(read.stdout)) : undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns the tables that differ, each with both sides. */
export function differences(a: Content, b: Content): readonly string[] {
  const names = [...new Set([...Object.keys(a.digests), ...Object.keys(b.digests)])];
  return names
    .filter((name) => a.digests[name] !== b.digests[name])
    .map((name) => `${name}: ${a.digests[name] ?? "absent"} / ${b.digests[name] ?? "absent"}`);
}
