import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, it } from "vitest";
import { seededRandom } from "#base";
import { inspectDatabase } from "../../../src/store/inspect.ts";
import type { CrashPoint } from "../../../src/store/writer.ts";
import { must, openedStores } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const SCRIPT = join(import.meta.dirname, "../../support/store-writer-main.ts");

type Outcome = { readonly acknowledged: readonly string[]; readonly stored: ReadonlySet<string> };

/** Runs a writer until it is killed, then reads what it left behind. */
async function killedWriter(dir: string, mode: string, stop: (lines: number) => boolean): Promise<Outcome> {
  const writer = spawn(process.execPath, [SCRIPT, dir, mode], { stdio: ["ignore", "pipe", "inherit"] });
  const acknowledged: string[] = [];
  createInterface({ input: writer.stdout }).on("line", (id) => {
    acknowledged.push(id);
    if (stop(acknowledged.length)) writer.kill("SIGKILL");
  });
  await once(writer, "close");
  expect(writer.signalCode).toBe("SIGKILL");

  expect(inspectDatabase(join(dir, "fleet.db")).faults).toEqual([]);
  const stores = await openedStores(dir);
  const events = [];
  for (let after = 0; ; ) {
    const page = must(await stores.queue.events(after, 500));
    if (page.length === 0) break;
    events.push(...page);
    after = page.at(-1)?.seq ?? after;
  }
  const stored = new Set<string>();
  for (let cursor: string | undefined; ; ) {
    const page = must(await stores.queue.list({}, 500, cursor));
    for (const { row } of page.items) stored.add(row.id);
    if (page.nextCursor === null) break;
    cursor = page.nextCursor;
  }
  const [lane] = must(await stores.queue.lanes()).filter((row) => row.lane === 2);
  await stores.close();

  // Each transaction is there whole or not at all: task, event and counter agree.
  expect(new Set(events.map((event) => event.taskId))).toEqual(stored);
  expect(events.map((event) => event.seq)).toEqual(events.map((_event, index) => index + 1));
  expect(lane?.counts.ready).toBe(stored.size);
  return { acknowledged, stored };
}

describe("a writer that is killed", () => {
  it("at any moment has lost nothing that it acknowledged", async () => {
    const random = seededRandom(11);
    const dir = folder();
    for (let round = 0; round < 4; round += 1) {
      const lines = 50 + Math.floor(random.next() * 400);
      const { acknowledged, stored } = await killedWriter(join(dir, `${round}`), "steady", (count) => count >= lines);

      expect(acknowledged.length).toBeGreaterThanOrEqual(lines);
      expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
    }
  });

  const points: readonly CrashPoint[] = [
    "store.begin.before",
    "store.begin.after",
    "store.commit.before",
    "store.commit.after",
    "store.answer.before",
  ];
  it.each(points)("at %s has lost nothing that it acknowledged", async (point) => {
    const dir = folder();
    mkdirSync(dir, { recursive: true });

    const { acknowledged, stored } = await killedWriter(dir, point, () => false);

    expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
    // The last group is in the database exactly when its commit was over.
    const isLater = point === "store.commit.after" || point === "store.answer.before";
    expect(stored.size - acknowledged.length).toBe(isLater ? 8 : 0);
  });

  it("and that acknowledges before its commit is caught by this very check", async () => {
    const { acknowledged, stored } = await killedWriter(folder(), "too-early", () => false);

    expect(acknowledged.filter((id) => !stored.has(id))).not.toEqual([]);
  });
});
