import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import { seededRandom } from "#base";
import { expectSame, openedHub } from "../../../support/hub-stores.ts";
import { must } from "../../../support/opened-stores.ts";
import { hasSqld, Sqld } from "../../../support/sqld.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const SCRIPT = join(import.meta.dirname, "../../../support/store-writer-main.ts");
const folder = temporaryFolders();
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** Runs a hub until it is killed, starts it again, and looks at what there is. */
async function killedHub(mode: string, stop: (lines: number) => boolean) {
  const sqld = await Sqld.start(folder());
  ends.push(() => sqld.kill());
  const { url } = sqld;
  const dir = folder();
  const hub = spawn(process.execPath, [SCRIPT, dir, mode, url], { stdio: ["ignore", "pipe", "inherit"] });
  const acknowledged: string[] = [];
  createInterface({ input: hub.stdout }).on("line", (id) => {
    acknowledged.push(id);
    if (stop(acknowledged.length)) hub.kill("SIGKILL");
  });
  await once(hub, "close");
  expect(hub.signalCode).toBe("SIGKILL");

  const { stores } = await openedHub(dir, url);
  const stored = new Set(must(await stores.queue.list({}, 500)).items.map(({ row }) => String(row.id)));
  const [lane] = must(await stores.queue.lanes()).filter((row) => row.lane === 2);
  await expectSame(dir, url);
  await stores.close();
  expect(lane?.counts.ready).toBe(stored.size);
  return { acknowledged, stored, behind: readdirSync(dir).filter((name) => name.includes(".behind-")) };
}

describe.skipIf(!hasSqld)("a hub that is killed", () => {
  // Before the server has the group, it is as if it had never been; afterwards it is there, whether answered or not.
  it.each([
    ["store.replicate.before", 40],
    ["store.replicate.after", 48],
    ["store.commit.after", 48],
    ["store.answer.before", 48],
  ])("at %s has %i tasks after its next start, all that it acknowledged among them", async (point, tasks) => {
    const { acknowledged, stored, behind } = await killedHub(point, () => false);

    expect(acknowledged).toHaveLength(40);
    expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
    expect(stored.size).toBe(tasks);
    // Only where the server was ahead of it did the working copy have to be made anew.
    expect(behind.length > 0).toBe(point === "store.replicate.after");
  });

  it("at any moment has lost nothing that it acknowledged", async () => {
    const random = seededRandom(12);
    for (let round = 0; round < 3; round += 1) {
      const lines = 40 + Math.floor(random.next() * 200);
      const { acknowledged, stored } = await killedHub("steady", (seen) => seen >= lines);

      expect(acknowledged.length).toBeGreaterThanOrEqual(lines);
      expect(acknowledged.filter((id) => !stored.has(id))).toEqual([]);
    }
  });
});
