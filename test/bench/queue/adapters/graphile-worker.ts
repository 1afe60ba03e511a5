import type { Adapter, Place } from "../adapter.ts";
import { loadRival } from "../rivals.ts";

type Query = (sql: string) => Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[] }>;
type Pool = { readonly query: Query; end(): Promise<void>; on(event: "error", listener: () => void): unknown };
type Target = { readonly connectionString: string; readonly maxPoolSize: number; readonly logger: unknown };
type Postgres = {
  readonly Pool: new (options: { readonly connectionString: string; readonly max: number }) => Pool;
};
type Entry = { readonly identifier: string; readonly payload: unknown };
type Runner = { stop(): Promise<void> };
type Graphile = {
  readonly Logger: new (factory: () => () => void) => unknown;
  makeWorkerUtils(options: Target): Promise<{
    migrate(): Promise<void>;
    addJob(identifier: string, payload: unknown): Promise<unknown>;
    addJobs(entries: readonly Entry[]): Promise<unknown>;
    release(): Promise<void>;
  }>;
  run(
    options: Target & {
      readonly concurrency: number;
      readonly noHandleSignals: boolean;
      readonly taskList: Readonly<Record<string, (payload: { readonly payload: string }) => Promise<void>>>;
      readonly preset: { readonly worker: Readonly<Record<string, unknown>> };
    },
  ): Promise<Runner>;
};

const TASK = "bench";
/** Connections of each pool: the producers' 32, within PostgreSQL's default of 100 for both pools. */
const POOL_SIZE = 32;
/** Its documented batch mode: tasks are fetched 500 at a time and completed together. */
const BATCH_PRESET = {
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
} as const;

export function openGraphileWorker(isBatch: boolean): (place: Place) => Promise<Adapter> {
  return async (place) => {
    const { Logger, makeWorkerUtils, run } = await loadRival<Graphile>("graphile-worker");
    const { Pool } = await loadRival<Postgres>("pg");
    const logger = new Logger(() => () => undefined);
    const connectionString = `postgres://bench@127.0.0.1:${place.port}/postgres`;
    const target: Target = { connectionString, maxPoolSize: POOL_SIZE, logger };
    const counting = new Pool({ connectionString, max: 1 });
    counting.on("error", () => undefined); // counted tasks tell whether work was lost
    const producer = await makeWorkerUtils(target);
    await producer.migrate();
    let runner: Runner | undefined;
    return {
      enqueue: async (payload) => {
        await producer.addJob(TASK, { payload });
      },
      enqueueMany: async (payloads) => {
        await producer.addJobs(payloads.map((payload) => ({ identifier: TASK, payload: { payload } })));
      },
      consume: async (concurrency, onStart) => {
        runner = await run({
          ...target,
          concurrency,
          noHandleSignals: true,
          taskList: { [TASK]: async ({ payload }) => onStart(payload) },
          preset: { worker: isBatch ? BATCH_PRESET : {} },
        });
      },
      pending: async () => {
        const { rows } = await counting.query("select count(*)::int as n from graphile_worker._private_jobs");
        return Number(rows[0]?.["n"]);
      },
      commits: () => null,
      close: async () => {
        await runner?.stop();
        await producer.release();
        await counting.end();
      },
    };
  };
}
