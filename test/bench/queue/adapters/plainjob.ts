import { Database } from "bun:sqlite";
import { join } from "node:path";
import type { Adapter, Place } from "../adapter.ts";
import { loadRival } from "../rivals.ts";

type Queue = {
  add(type: string, data: unknown): unknown;
  addMany(type: string, data: readonly unknown[]): unknown;
  countJobs(filter: { readonly status: number }): number;
  close(): void;
};
type Worker = { start(): Promise<void>; stop(): Promise<void> };
type Plainjob = {
  bun(database: Database): unknown;
  defineQueue(options: { readonly connection: unknown; readonly logger: unknown }): Queue;
  defineWorker(
    type: string,
    run: (job: { readonly data: string }) => void,
    options: { readonly queue: Queue; readonly logger: unknown },
  ): Worker;
};

const TYPE = "bench";
const PENDING = 0;
const PROCESSING = 1;
const silent = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined };

/** It is synchronous: every call returns after its own commit (`synchronous = NORMAL`, which it sets itself). */
export async function openPlainjob(place: Place): Promise<Adapter> {
  const { bun, defineQueue, defineWorker } = await loadRival<Plainjob>("plainjob");
  const connection = bun(new Database(join(place.folder, "plainjob.db"), { strict: true }));
  const queue = defineQueue({ connection, logger: silent });
  let workers: Worker[] = [];
  return {
    enqueue: async (payload) => {
      queue.add(TYPE, payload);
    },
    enqueueMany: async (payloads) => {
      queue.addMany(TYPE, payloads);
    },
    // A worker runs one task at a time, so concurrency is a number of workers.
    consume: async (concurrency, onStart) => {
      workers = Array.from({ length: concurrency }, () =>
        // `as`: its serializer is JSON and the payload was a string.
        defineWorker(TYPE, (job) => onStart(JSON.parse(job.data) as string), { queue, logger: silent }),
      );
      for (const worker of workers) void worker.start();
    },
    pending: async () => queue.countJobs({ status: PENDING }) + queue.countJobs({ status: PROCESSING }),
    commits: () => null,
    close: async () => {
      await Promise.all(workers.map((worker) => worker.stop()));
      queue.close();
    },
  };
}
