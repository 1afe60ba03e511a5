import { Database } from "bun:sqlite";
import { join } from "node:path";
import type { Adapter, Place } from "../adapter.ts";
import { loadRival } from "../rivals.ts";

type Where = { readonly embedded: true; readonly dataPath: string };
type JobOptions = { readonly durable: true };
type Bunqueue = {
  readonly Queue: new (
    name: string,
    options: Where,
  ) => {
    add(name: string, data: unknown, options: JobOptions): Promise<unknown>;
    addBulk(
      entries: readonly { readonly name: string; readonly data: unknown; readonly opts: JobOptions }[],
    ): Promise<unknown>;
    close(): unknown;
  };
  readonly Worker: new (
    name: string,
    run: (job: { readonly data: { readonly payload: string } }) => Promise<void>,
    options: Where & { readonly concurrency: number; readonly batchSize: number },
  ) => { close(): Promise<void>; on(event: "error", listener: () => void): unknown };
  shutdownManager(): void;
};

const NAME = "bench";
const UNFINISHED = "SELECT count(*) AS n FROM jobs WHERE state NOT IN ('completed', 'failed')";

/** Embedded in this process, its quickest form: over TCP each call costs a round trip more. */
export async function openBunqueue(place: Place): Promise<Adapter> {
  const { Queue, Worker, shutdownManager } = await loadRival<Bunqueue>("bunqueue/client");
  const dataPath = join(place.folder, "bunqueue.db");
  const where: Where = { embedded: true, dataPath };
  const opts: JobOptions = { durable: true };
  const queue = new Queue(NAME, where);
  let reader: Database | undefined;
  let worker: InstanceType<Bunqueue["Worker"]> | undefined;
  return {
    enqueue: async (payload) => {
      await queue.add(NAME, { payload }, opts);
    },
    enqueueMany: async (payloads) => {
      await queue.addBulk(payloads.map((payload) => ({ name: NAME, data: { payload }, opts })));
    },
    consume: async (concurrency, onStart) => {
      const options = { ...where, concurrency, batchSize: concurrency };
      worker = new Worker(NAME, async (job) => onStart(job.data.payload), options);
      worker.on("error", () => undefined); // counted tasks tell whether work was lost
    },
    // Its own counts come from memory, ahead of the disk; another handle sees what is stored.
    pending: async () => {
      reader ??= new Database(dataPath, { readonly: true });
      // `as`: a count is one row with one number.
      return (reader.query(UNFINISHED).get() as { readonly n: number }).n;
    },
    commits: () => null,
    close: async () => {
      await worker?.close();
      await queue.close();
      shutdownManager();
      reader?.close();
    },
  };
}
