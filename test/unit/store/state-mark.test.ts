import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom, silentLogger } from "#base";
import type { FleetNode } from "#fleet";
import { QueueService } from "#queue";
import { changesState, type Stores, stateMark } from "#store";
import { openConnection } from "../../../src/store/connection.ts";
import { migrateDatabase } from "../../../src/store/migrate.ts";
import { FLEET_MIGRATIONS } from "../../../src/store/migrations/fleet.ts";
import { must, openedStores } from "../../support/opened-stores.ts";
import { newTask } from "../../support/queue-world.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const DAY_MS = 86_400_000;

/** What a node does with its stores between an opening and a clean close. */
type Work = (stores: Stores, queue: QueueService, clock: SimulatedClock) => Promise<unknown>;

async function work(dir: string, act: Work): Promise<void> {
  const clock = new SimulatedClock();
  const [random, ids] = [seededRandom(1), createIdFactory(clock, seededRandom(performance.now()))];
  const stores = await openedStores(dir, { clock });
  const queue = new QueueService({ store: stores.queue, clock, random, ids, node: ids.node(), logger: silentLogger });
  must(await queue.start());
  await act(stores, queue, clock);
  await queue.stop();
  await stores.close();
}

const submit: Work = (_stores, queue, clock) =>
  queue.submit([newTask(createIdFactory(clock, seededRandom(performance.now())).task())]).then(must);
const endpoint = {
  id: "gpu1",
  kind: "ollama",
  url: "http://10.0.0.2:11434",
  origin: "api",
  apiKeyFile: null,
  labels: {},
  isLocal: false,
  parallel: null,
  models: [],
} as const;
const usage = {
  atMs: 1,
  purpose: "gateway",
  taskId: null,
  attempt: null,
  goal: null,
  endpoint: "gpu1",
  model: "small",
  tier: null,
  promptTokens: 1,
  completionTokens: 1,
  costMicrodollars: 0,
  energyJoules: null,
  durationMs: 1,
} as const;

const ids = createIdFactory(new SimulatedClock(), seededRandom(8));
const node: FleetNode = {
  id: ids.node(),
  name: "box",
  role: "member",
  publicKey: "key",
  url: null,
  version: "0.1.0",
  featureLevel: 1,
  state: "active",
  leaseClass: "strict",
  joinedAtMs: 1,
  seenAtMs: 1,
  announced: {},
};
const refuse: Work = async (_stores, queue) => {
  const dropped = await queue.drop(ids.task(), { id: ids.command(), node: node.id });
  expect(dropped.ok).toBe(false);
};

describe("the mark of a state folder", () => {
  it.each<[string, Work]>([
    ["a task that was submitted", submit],
    ["an endpoint that a person added", (stores) => stores.models.saveEndpoint(endpoint).then(must)],
    ["the use of a model by a client", (stores) => stores.models.record(usage).then(must)],
    ["a node that joined", (stores) => stores.fleetNodes.put(node).then(must)],
    ["a command that was refused", refuse],
  ])("differs after %s, so that it is not taken for nothing", async (_what, act) => {
    const dir = folder();
    await work(dir, submit);
    const before = stateMark(dir);

    await work(dir, act);

    expect(stateMark(dir)).not.toBe(before);
  });

  it("is the same after a node that did nothing but start and stop", async () => {
    const dir = folder();
    await work(dir, submit);
    const before = stateMark(dir);

    await work(dir, async () => undefined);

    expect(stateMark(dir)).toBe(before);
  });

  it("is the same after a node of the fleet was heard of again", async () => {
    const dir = folder();
    await work(dir, (stores) => stores.fleetNodes.put(node).then(must));
    const before = stateMark(dir);

    await work(dir, (stores) =>
      stores.fleetNodes
        .setSeen(node.id, { atMs: 9, version: "0.2.0", featureLevel: 1, announced: { running: 1 } })
        .then(must),
    );

    expect(stateMark(dir)).toBe(before);
  });

  it("is the same when retention removed every event", async () => {
    const dir = folder();
    await work(dir, submit);
    const before = stateMark(dir);

    await work(dir, async (stores, _queue, clock) => {
      const all = clock.nowMs() + DAY_MS;
      must(
        await stores.queue.prune(
          { endedTasksMs: 0, deadLettersMs: 0, eventsMs: all, idempotencyMs: 0, commandsMs: 0 },
          1_000,
        ),
      );
      expect(must(await stores.queue.events(0, 10))).toEqual([]);
    });

    expect(stateMark(dir)).toBe(before);
  });

  it("is of the folder's own database, and the same for a copy of it", async () => {
    const [dir, other] = [folder(), folder()];
    await work(dir, submit);
    await work(other, submit);
    const copied = folder();
    copyFileSync(join(dir, "fleet.db"), join(copied, "fleet.db"));

    expect(stateMark(other)).not.toBe(stateMark(dir));
    expect(stateMark(copied)).toBe(stateMark(dir));
  });

  it("can be read of the first form of the database and of one that is newer than this build", async () => {
    const [old, newer] = [folder(), folder()];
    const connection = openConnection(join(old, "fleet.db"));
    must(migrateDatabase(connection, FLEET_MIGRATIONS.slice(0, 1), 1));
    connection.close();
    await work(newer, submit);
    const before = stateMark(newer);
    const later = {
      number: FLEET_MIGRATIONS.length + 1,
      name: "later",
      sql: ["ALTER TABLE endpoint ADD COLUMN x TEXT"],
    };
    const migrated = openConnection(join(newer, "fleet.db"));
    must(migrateDatabase(migrated, [...FLEET_MIGRATIONS, later], 1));
    migrated.close();

    expect(stateMark(old)).toMatch(/^none:0:0:/);
    expect(stateMark(newer)).toBe(before);
  });

  it("of a folder without a database is an error, and none is made", () => {
    const dir = folder();

    expect(() => stateMark(dir)).toThrow("Unable to open");
    expect(existsSync(join(dir, "fleet.db"))).toBe(false);
  });
});

describe("whether a folder would be migrated", () => {
  it.each(["fleet.db", "node.db"])("is told of %s, which is left as it is", async (file) => {
    const dir = folder();
    await work(dir, submit);
    const before = changesState(dir);
    const connection = openConnection(join(dir, file));
    connection.exec("DELETE FROM schema_migration WHERE number > 1");
    connection.close();

    expect([before, changesState(dir), changesState(dir)]).toEqual([false, true, true]);
  });

  it("is not so for an empty folder", () => {
    expect(changesState(folder())).toBe(false);
  });
});
