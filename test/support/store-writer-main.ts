/**
 * Adds tasks in groups of eight and prints the id of each once it is acknowledged. MODE is `steady`; the name of a
 * crash point, at which the process kills itself in the sixth group; or `too-early`, which prints before the commit.
 * With the URL of a libSQL server it writes as a hub does.
 */
import { writeSync } from "node:fs";
import { createIdFactory, ok, type TaskId } from "#base";
import { must, openedStores } from "./opened-stores.ts";
import { newTask } from "./queue-world.ts";
import { realClock } from "./real-clock.ts";
import { readyRow } from "./task-row.ts";

const GROUP = 8;
const LAST_GROUP = 6;

const [dir, mode, url] = process.argv.slice(2);
if (dir === undefined || mode === undefined) throw new Error("usage: store-writer-main DIR MODE [URL]");

let group = 0;
const die = (label: string): void => {
  const wanted = mode === "too-early" ? "store.commit.before" : mode;
  if (label === wanted && group === LAST_GROUP) process.kill(process.pid, "SIGKILL");
};
const random = { next: Math.random, bytes: (count: number) => crypto.getRandomValues(new Uint8Array(count)) };
const ids = createIdFactory(realClock, random);
const primary = url === undefined ? {} : { primary: { url, onDiverged: () => process.exit(3) } };
const stores = await openedStores(dir, { clock: realClock, crashPoint: die, ...primary });
// Straight to the descriptor: what is printed must not wait in a buffer of the process.
const acknowledge = (id: TaskId): number => writeSync(1, `${id}\n`);

for (;;) {
  group += 1;
  await Promise.all(
    Array.from({ length: GROUP }, async () => {
      const id = ids.task();
      const added = stores.queue.transact("add", (tx) => {
        tx.classId("{}");
        tx.insertTask(readyRow(id), newTask(id));
        tx.appendEvent({ atMs: 1, kind: "task.submitted", taskId: id, data: {} });
        const lane = tx.lane(2);
        tx.putLane({ ...lane, counts: { ...lane.counts, ready: lane.counts.ready + 1 } });
        if (mode === "too-early") acknowledge(id);
        return ok(id);
      });
      must(await added);
      if (mode !== "too-early") acknowledge(id);
    }),
  );
}
