import type { Adapter, Place } from "../adapter.ts";
import { loadRival } from "../rivals.ts";

type Connection = { readonly host: string; readonly port: number; readonly maxRetriesPerRequest: null };
type Options = { readonly connection: Connection };
type Entry = { readonly name: string; readonly data: unknown };
type BullMQ = {
  readonly Queue: new (
    name: string,
    options: Options,
  ) => {
    waitUntilReady(): Promise<unknown>;
    add(name: string, data: unknown): Promise<unknown>;
    addBulk(entries: readonly Entry[]): Promise<unknown>;
    getJobCounts(...states: readonly string[]): Promise<Readonly<Record<string, number>>>;
    close(): Promise<void>;
  };
  readonly Worker: new (
    name: string,
    run: (job: { readonly data: { readonly payload: string } }) => Promise<void>,
    options: Options & { readonly concurrency: number },
  ) => {
    waitUntilReady(): Promise<unknown>;
    close(): Promise<void>;
    on(event: "error", listener: () => void): unknown;
  };
};

const NAME = "bench";
const UNFINISHED = ["waiting", "active", "delayed", "prioritized", "waiting-children"] as const;

export async function openBullmq(place: Place): Promise<Adapter> {
  const { Queue, Worker } = await loadRival<BullMQ>("bullmq");
  const connection: Connection = { host: "127.0.0.1", port: place.port, maxRetriesPerRequest: null };
  const queue = new Queue(NAME, { connection });
  await queue.waitUntilReady();
  let worker: InstanceType<BullMQ["Worker"]> | undefined;
  return {
    enqueue: async (payload) => {
      await queue.add(NAME, { payload });
    },
    enqueueMany: async (payloads) => {
      await queue.addBulk(payloads.map((payload) => ({ name: NAME, data: { payload } })));
    },
    consume: async (concurrency, onStart) => {
      worker = new Worker(NAME, async (job) => onStart(job.data.payload), { connection, concurrency });
      worker.on("error", () => undefined); // a closing connection; counted tasks tell whether work was lost
      await worker.waitUntilReady();
    },
    pending: async () => {
      const counts = await queue.getJobCounts(...UNFINISHED);
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },
    commits: () => null,
    close: async () => {
      await worker?.close();
      await queue.close();
    },
  };
}
