/**
 * Going back over a release that changed the form of a database, with executables of which one really has a migration
 * more: the copy is put back when that loses nothing, and otherwise what was recorded stays.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { openReadOnly } from "../../../src/store/connection.ts";
import { schemaNumber } from "../../../src/store/migrate.ts";
import { BinaryWorld, runBinary } from "../../support/binary-node.ts";
import { submitTask, taskEnds } from "../../support/node-tasks.ts";
import { type Release, ReleaseShop, versionUnderTest } from "../swap/release-shop.ts";
import { type HistoryRow, Swapping } from "../swap/swapping.ts";
import { buildChanged } from "./changed-source.ts";

const BUILDS_LIMIT_MS = 180_000;
/** A release that ends itself does so within this time; a task is submitted to it before. */
const PROBATION_MS = 2_500;
const ENDS_AFTER_MS = 1_000;
const START_LIMIT_MS = 10_000;

let shelf: BinaryWorld;
let shop: ReleaseShop;
const releases: Record<string, Release> = {};
let world: BinaryWorld;
let swapping: Swapping;

beforeAll(() => {
  shelf = new BinaryWorld();
  shop = new ReleaseShop(join(shelf.path, "shop"));
  const sourceOf = (version: string): string => join(shelf.path, "shop", `source-${version}`);
  const made = [
    ["falls", "8.1.0", { migrates: "fleet", endsAfterMs: ENDS_AFTER_MS }],
    ["fallsOfNode", "8.2.0", { migrates: "node", endsAfterMs: ENDS_AFTER_MS }],
    ["sound", "8.3.0", { migrates: "fleet", endsAfterMs: null }],
  ] as const;
  for (const [name, version, change] of made) {
    releases[name] = shop.release(version, buildChanged(sourceOf(version), version, change));
  }
}, BUILDS_LIMIT_MS);
afterAll(() => shelf.remove());

beforeEach(async () => {
  world = new BinaryWorld();
  swapping = await Swapping.start(world, shop.publicKey, {
    startMs: START_LIMIT_MS,
    probationMs: PROBATION_MS,
    restarts: 0,
  });
});
afterEach(async () => {
  await swapping.stop();
  world.remove();
});

/** Matches a text that contains `part`, inside a larger pattern. */
const containing = (part: string): unknown => expect.stringContaining(part);
const task = { title: "kept", command: ["true"] };
const schemaOf = (folder: string, file = "fleet.db"): number => {
  const connection = openReadOnly(join(folder, file));
  try {
    return schemaNumber(connection);
  } finally {
    connection.close();
  }
};
const updateTo = (release: Release | undefined): Promise<HistoryRow> =>
  swapping.attempt({ from: release?.folder ?? "" });
const setAside = (): readonly string[] =>
  readdirSync(world.state)
    .filter((name) => name.startsWith("set-aside-"))
    .map((name) => join(world.state, name));

describe("a release that migrated a database and does not pass its probation", () => {
  it.each([
    ["falls", "fleet.db"],
    ["fallsOfNode", "node.db"],
  ])("(%s) is taken back with the copy of %s, and what ran before goes on with all its tasks", async (name, file) => {
    const { id } = await submitTask(swapping.node, task);
    await taskEnds(swapping.node, id);
    const before = schemaOf(world.state, file);

    const row = await updateTo(releases[name]);
    const { current } = await swapping.releases();
    const kept = await swapping.node.request("GET", `/api/tasks/${id}`);
    const next = await submitTask(swapping.node, task);
    const ended = await taskEnds(swapping.node, next.id);

    expect(row).toMatchObject({ result: "rolledBack", reason: containing("were put back") });
    expect(current).toBe(versionUnderTest());
    expect(kept).toMatchObject({ status: 200, body: { id, state: "done" } });
    expect(ended.state).toBe("done");
    expect(schemaOf(world.state, file)).toBe(before);
    expect(setAside().map((folder) => schemaOf(folder, file))).toEqual([before + 1]);
  });
});

describe("a task that such a release recorded", () => {
  it("is kept in safe mode, and carried out by the next release; then the older form is out of reach, and that is said", async () => {
    const { id } = await submitTask(swapping.node, task);
    await taskEnds(swapping.node, id);
    const falling = updateTo(releases["falls"]);
    // The update ends first when it was refused, and then says why.
    await Promise.race([swapping.onProbation(), falling]);
    const later = await submitTask(swapping.node, { ...task, runAt: "2999-01-01T00:00:00Z" });

    const row = await falling;
    const status = runBinary(["status", "--state", world.state], { cwd: world.path, env: world.environment });
    const sound = await updateTo(releases["sound"]);
    const tasks = await Promise.all([id, later.id].map((one) => swapping.node.request("GET", `/api/tasks/${one}`)));
    const back = await swapping.attempt(null);
    const { current } = await swapping.releases();
    const still = await swapping.node.request("GET", `/api/tasks/${later.id}`);

    expect(row).toMatchObject({ result: "rolledBack", reason: containing("because work was recorded since") });
    expect(setAside()).toEqual([]);
    expect(status.code).toBe(4);
    expect(status.stdout).toContain("knows up to");
    expect(sound).toMatchObject({ result: "committed" });
    expect(tasks.map(({ status: code, body }) => [code, body])).toMatchObject([
      [200, { state: "done" }],
      [200, { state: "waiting" }],
    ]);
    expect(back).toMatchObject({ result: "abandoned", reason: containing("knows up to") });
    expect(current).toBe(releases["sound"]?.version);
    expect(still.status).toBe(200);
  });
});
