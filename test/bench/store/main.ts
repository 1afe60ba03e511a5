/**
 * How fast the queue's store is on this machine: `bun test/bench/store/main.ts [SECONDS [LABEL]]`. Prints what it measured,
 * asserts nothing. Submits go through the whole machine (idempotency, keys, lanes, events), synchronous=FULL.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createIdFactory, type NodeId, type Result, seededRandom, silentLogger } from "#base";
import { type AttemptReport, type NewTask, QueueService } from "#queue";
import { openStores } from "#store";
import { realClock } from "../../../src/runtime/real-clock.ts";
import { benchSeconds } from "../machine/arguments.ts";

const secondsPerCell = benchSeconds("bun test/bench/store/main.ts [SECONDS [LABEL]]", 3);
/** Only cells whose label holds this. */
const wanted = process.argv[3] ?? "";
const random = seededRandom(1);
const ids = createIdFactory(realClock, random);
const node: NodeId = ids.node();
const body = JSON.stringify({ title: "no-op", executor: "shell", command: ["true"], notes: "x".repeat(60) });

function newTask(): NewTask {
  return {
    id: ids.task(),
    lane: 2,
    key: "",
    requirements: "{}",
    dependsOn: [],
    dependencyPolicy: "fail",
    runAtMs: null,
    maxAttempts: 3,
    retryBaseMs: 1_000,
    retryMaxMs: 60_000,
    idempotencyKey: null,
    bodyHash: "",
    labels: {},
    body,
  };
}

const REPORT: AttemptReport = {
  outcome: "passed",
  consequence: "retryable",
  executor: "shell",
  endpoint: null,
  model: null,
  durationMs: 1,
  tokens: 0,
  costMicrodollars: 0,
  error: null,
  report: null,
  result: null,
};

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

type Cell = { readonly count: number; readonly elapsedMs: number };

/** Runs `once` from `producers` loops until the time is over. */
async function loop(producers: number, once: () => Promise<number>): Promise<Cell> {
  let count = 0;
  const startMs = performance.now();
  const endMs = startMs + secondsPerCell * 1_000;
  await Promise.all(
    Array.from({ length: producers }, async () => {
      while (performance.now() < endMs) {
        const added = await once();
        count += added;
      }
    }),
  );
  return { count, elapsedMs: performance.now() - startMs };
}

async function withQueue(label: string, run: (service: QueueService) => Promise<Cell>): Promise<void> {
  if (!label.includes(wanted)) return;
  const dir = mkdtempSync(join(tmpdir(), "drover-bench-store-"));
  const stores = must(await openStores(dir, { clock: realClock, logger: silentLogger, random }));
  const service = new QueueService({ store: stores.queue, clock: realClock, random, ids, node, logger: silentLogger });
  try {
    must(await service.start());
    const before = stores.commits();
    const cpuBefore = process.cpuUsage();
    const { count, elapsedMs } = await run(service);
    const { user, system } = process.cpuUsage(cpuBefore);
    const commits = stores.commits() - before;
    const rate = Math.round((count / elapsedMs) * 1_000);
    const rss = Math.round(process.memoryUsage().rss / 1e6);
    const cpu = `${(user / count).toFixed(1)}+${(system / count).toFixed(1)} µs cpu`;
    console.log(
      `${label.padEnd(32)} ${String(rate).padStart(7)}/s  ${(commits / count).toFixed(4)} commits  ${cpu}  rss ${rss} MB`,
    );
  } finally {
    await service.stop();
    await stores.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

for (const producers of [1, 8, 32, 128, 256]) {
  await withQueue(`submit, ${producers} producers`, (service) =>
    loop(producers, async () => must(await service.submit([newTask()])).length),
  );
}
await withQueue("submit, batches of 100", (service) =>
  loop(1, async () => must(await service.submit(Array.from({ length: 100 }, newTask))).length),
);
for (const [consumers, claimed] of [
  [50, 1],
  [5, 10],
] as const) {
  await withQueue(`drain, ${consumers} loops claiming ${claimed}`, async (service) => {
    const total = 8_000;
    for (let done = 0; done < total; done += 500) must(await service.submit(Array.from({ length: 500 }, newTask)));
    let left = total;
    const startMs = performance.now();
    await Promise.all(
      Array.from({ length: consumers }, async () => {
        for (;;) {
          const { tasks } = must(await service.claim({ holder: node, limit: claimed, accepts: () => true }));
          if (tasks.length === 0) return;
          await Promise.all(
            tasks.map(async (task) => {
              must(await service.finish(task.row.id, task.fence, REPORT));
              left -= 1;
            }),
          );
        }
      }),
    );
    return { count: total - left, elapsedMs: performance.now() - startMs };
  });
}
