/**
 * The control of the crash harness: a node that answers before its store has committed. `hasty-node-main.ts up --json
 * --state DIR` looks to a client like the executable, over the same store, but what it accepted waits in a buffer for
 * some milliseconds, as queues do that trade safety for speed. Killed, it has lost what it promised.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { submissionsToTasks } from "#api";
import { createIdFactory, silentLogger } from "#base";
import { type NewTask, QueueService } from "#queue";
import { must, openedStores } from "../support/opened-stores.ts";
import { realClock } from "../support/real-clock.ts";

/** The default of a queue of this kind is 10 ms; five times that makes a short test sure of its catch. */
const BUFFER_MS = 50;

const stateDir = process.argv[process.argv.indexOf("--state") + 1] ?? "";
mkdirSync(stateDir, { recursive: true, mode: 0o700 });
const random = { next: Math.random, bytes: (count: number) => crypto.getRandomValues(new Uint8Array(count)) };
const ids = createIdFactory(realClock, random);
const stores = await openedStores(stateDir, { clock: realClock, random });
const queue = new QueueService({
  store: stores.queue,
  clock: realClock,
  random,
  ids,
  node: stores.nodeId,
  logger: silentLogger,
});

let buffered: NewTask[] = [];
const flush = async (): Promise<void> => {
  const tasks = buffered;
  buffered = [];
  if (tasks.length > 0) must(await queue.submit(tasks));
};
setInterval(() => void flush(), BUFFER_MS);

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: async (request) => {
    const batchKey = request.headers.get("idempotency-key") ?? undefined;
    const tasks = must(submissionsToTasks(await request.json(), { ids, executors: ["shell"], batchKey }));
    buffered.push(...tasks);
    return Response.json({ tasks: tasks.map(({ id }) => ({ id })) }, { status: 201 });
  },
});
process.on("SIGTERM", () => void flush().then(() => process.exit(0)));
writeFileSync(join(stateDir, "token"), "none of importance\n");
writeFileSync(join(stateDir, "node.json"), JSON.stringify({ url: server.url.origin, pid: process.pid }));
