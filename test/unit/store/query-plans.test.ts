import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { silentLogger } from "#base";
import { type Connection, openConnection, text } from "../../../src/store/connection.ts";
import { LongReader } from "../../../src/store/long-reader.ts";
import { migrateDatabase } from "../../../src/store/migrate.ts";
import { FLEET_MIGRATIONS } from "../../../src/store/migrations/fleet.ts";
import { LibsqlQueueStore } from "../../../src/store/queue-store.ts";
import { must } from "../../support/opened-stores.ts";
import { acceptsAll, attemptReport, QueueWorld } from "../../support/queue-world.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();

/** Statements that may visit every row of what they read, each for a reason. */
const MAY_SCAN: readonly RegExp[] = [
  /FROM schema_migration/, // a handful of rows
  /FROM lane/, // five rows
  /FROM task_class/, // one row per distinct requirement; read at start
  /FROM dependency LIMIT 1/, // one row, whichever comes first
  /FROM event ORDER BY seq (DESC )?LIMIT/, // the first or last rows of the table, in its own order
  /FROM schedule/, // some dozens, made by people
  /FROM queue_key WHERE listed = 0/, // retention alone, once a minute
  /FROM queue_key WHERE listed = 1/, // all rows of a partial index are what is asked for
];

function recording(connection: Connection, statements: Set<string>): Connection {
  return {
    ...connection,
    prepare: (sql) => {
      statements.add(sql);
      return connection.prepare(sql);
    },
  };
}

/** One of everything that the queue does. */
async function exercise(world: QueueWorld): Promise<void> {
  const { queue, store } = world;
  await world.start();
  const first = world.task({ key: "k", labels: { team: "a" }, idempotencyKey: "once" });
  must(await queue.submit([first, world.task({ dependsOn: [first.id] }), world.task({ maxAttempts: 1 })]));
  // So many at once that one statement changes them all.
  must(await queue.submit(Array.from({ length: 6 }, () => world.task())));
  const policy = { maxConcurrent: 1, ratePerSecond: 5, burst: 1, weight: 1, paused: false };
  must(await queue.setKeyPolicy("k", policy));
  const claimed = must(await queue.claim({ holder: world.node, limit: 10, accepts: acceptsAll }));
  for (const { row, fence } of claimed.tasks) {
    must(await queue.finish(row.id, fence, attemptReport({ outcome: row.maxAttempts === 1 ? "failed" : "passed" })));
  }
  await world.pass(1_000);
  for (const states of [["dead"], ["running"], ["waiting"], ["cancelled"]] as const) {
    must(await store.list({ states }, 10));
  }
  must(await store.list({ label: { name: "team", value: "a" } }, 10));
  must(await store.events(0, 10));
  must(await store.events(0, 10, first.id));
  must(await store.recentAttempts(0, 10));
  must(await store.keys(10));
  must(await store.lanes());
  must(await store.schedules(10));
  const nowMs = world.clock.nowMs() + 1;
  must(
    await store.prune(
      { endedTasksMs: nowMs, deadLettersMs: nowMs, eventsMs: nowMs, idempotencyMs: nowMs, commandsMs: nowMs },
      10,
    ),
  );
}

describe("every statement of the queue's store", () => {
  it("finds its rows by an index, however many there are", async () => {
    const path = join(folder(), "fleet.db");
    const writing = openConnection(path);
    must(migrateDatabase(writing, FLEET_MIGRATIONS, 0));
    const statements = new Set<string>();
    const long = new LongReader(path);
    const store = new LibsqlQueueStore({
      writing: recording(writing, statements),
      reading: recording(openConnection(path, { queryOnly: true }), statements),
      long,
      epoch: 1,
      logger: silentLogger,
    });
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const close = async (): Promise<void> => {
      await store.close();
      await long.close();
    };
    const world = new QueueWorld({ store, turn, quietTurns: 3, close });
    await exercise(world);
    await world.close();

    const readers = [...statements].filter((sql) => /^(SELECT|UPDATE|DELETE|WITH)/.test(sql));
    const scans = readers.flatMap((sql) =>
      writing
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all([])
        .map((row) => text(row, 3))
        .filter((step) =>
          /^SCAN (task|submission|dependency|task_label|attempt|event|queue_key|idempotency|[aest])\b/.test(step),
        )
        .map((step) => `${step}: ${sql.replaceAll(/\s+/g, " ")}`),
    );

    expect(readers.length).toBeGreaterThan(30);
    expect(scans.filter((scan) => !MAY_SCAN.some((allowed) => allowed.test(scan)))).toEqual([]);
  });
});
