/**
 * What a hub's queue does a second when a libSQL server commits everything first, beside the same queue on a local file:
 * `bun run bench:hub [SECONDS]`. Prints what it measured, asserts nothing. Server, node and callers
 * share this machine.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createIdFactory, seededRandom, silentLogger } from "#base";
import { QueueService } from "#queue";
import { openStores, type StoreOptions } from "#store";
import { realClock } from "../../../src/runtime/real-clock.ts";
import { must } from "../../support/opened-stores.ts";
import { attemptReport, newTask } from "../../support/queue-world.ts";
import { Sqld } from "../../support/sqld.ts";
import { benchSeconds } from "../machine/arguments.ts";

const secondsPerCell = benchSeconds("bun run bench:hub [SECONDS]", 3);
const random = seededRandom(1);
const ids = createIdFactory(realClock, random);
const node = ids.node();
const body = JSON.stringify({ title: "no-op", executor: "shell", command: ["true"], notes: "x".repeat(60) });

type Cell = { readonly count: number; readonly elapsedMs: number };

async function loop(callers: number, once: () => Promise<number>): Promise<Cell> {
  let count = 0;
  const startMs = performance.now();
  const endMs = startMs + secondsPerCell * 1_000;
  await Promise.all(
    Array.from({ length: callers }, async () => {
      while (performance.now() < endMs) {
        const done = await once();
        count += done;
      }
    }),
  );
  return { count, elapsedMs: performance.now() - startMs };
}

async function cell(label: string, isServer: boolean, run: (queue: QueueService) => Promise<Cell>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "drover-bench-hub-"));
  const sqld = isServer ? await Sqld.start(join(dir, "server")) : undefined;
  const onDiverged = (failure: { readonly message: string }): void => console.error(failure.message);
  const primary: Partial<StoreOptions> = sqld === undefined ? {} : { primary: { url: sqld.url, onDiverged } };
  const stores = must(
    await openStores(join(dir, "state"), { clock: realClock, logger: silentLogger, random, ...primary }),
  );
  const queue = new QueueService({ store: stores.queue, clock: realClock, random, ids, node, logger: silentLogger });
  try {
    must(await queue.start());
    const before = stores.commits();
    const cpuBefore = process.cpuUsage();
    const { count, elapsedMs } = await run(queue);
    const { user, system } = process.cpuUsage(cpuBefore);
    const perCommit = count / (stores.commits() - before);
    console.log(
      `${(isServer ? "server" : "file").padEnd(7)} ${label.padEnd(34)} ${String(Math.round((count / elapsedMs) * 1_000)).padStart(6)}/s  ` +
        `${perCommit.toFixed(1).padStart(6)} per commit  ${((user + system) / count).toFixed(0).padStart(5)} µs cpu of the node`,
    );
  } finally {
    await queue.stop();
    await stores.close();
    await sqld?.kill();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Each caller claims one and completes it; a task counts when both were answered. */
async function drain(queue: QueueService, callers: number, total: number): Promise<Cell> {
  for (let made = 0; made < total; made += 500) {
    must(await queue.submit(Array.from({ length: 500 }, () => newTask(ids.task(), { body }))));
  }
  return loop(callers, async () => {
    const { tasks } = must(await queue.claim({ holder: node, limit: 1, accepts: () => true }));
    for (const task of tasks) must(await queue.finish(task.row.id, task.fence, attemptReport()));
    return tasks.length;
  });
}

for (const isServer of [false, true]) {
  for (const callers of [1, 32, 256]) {
    await cell(`submit, ${callers} callers`, isServer, (queue) =>
      loop(callers, async () => must(await queue.submit([newTask(ids.task(), { body })])).length),
    );
    const tasks = (isServer ? 4_000 : 12_000) * secondsPerCell;
    await cell(`claim and complete, ${callers} callers`, isServer, (queue) => drain(queue, callers, tasks));
  }
}
