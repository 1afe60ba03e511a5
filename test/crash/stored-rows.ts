/** What a crash run left in its database, read by a process that has nothing to do with drover. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { z } from "zod";

const storedRowsSchema = z.object({
  integrity: z.string(),
  tasks: z.array(
    z.object({ id: z.string(), title: z.string(), state: z.string(), attempts: z.int(), attemptLimit: z.int() }),
  ),
  attempts: z.array(z.object({ taskId: z.string(), n: z.int(), outcome: z.string(), epoch: z.int(), fence: z.int() })),
  events: z.array(z.object({ seq: z.int(), kind: z.string(), taskId: z.string().nullable() })),
  dependencies: z.array(z.object({ taskId: z.string(), dependsOn: z.string() })),
  /** Counters of all lanes together. */
  counters: z.record(z.string(), z.int()),
});
export type StoredRows = z.infer<typeof storedRowsSchema>;

/** Reads `fleet.db` of a state folder in a process of its own, read-only, with SQLite as it comes with Bun. */
export function readStoredRows(stateDir: string): StoredRows {
  const script = join(import.meta.dirname, "stored-rows-main.ts");
  const read = spawnSync(process.execPath, [script, join(stateDir, "fleet.db")], {
    encoding: "utf8",
    maxBuffer: 1024 * 1024 * 1024,
  });
  if (read.status !== 0) throw new Error(`the database could not be read: ${read.stderr}`);
  return storedRowsSchema.parse(JSON.parse(read.stdout));
}
