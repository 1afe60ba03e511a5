/** Whole swaps on a real folder: what succeeds, and the ten kinds of bad release of which none may stay. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkExecutable, localSource, PROBATION, type SwapOrder, type Version } from "#watchdog";
import { makeKey } from "../../../../src/runtime/signing/keys.ts";
import { type ReleaseOptions, TARGET, v, writeRelease } from "../../../support/releases.ts";
import { type Behaviour, type SwapWorld, swapWorld } from "../../../support/swap-world.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
const [OLD, NEW, NEXT] = [v("1.0.0"), v("2.0.0"), v("3.0.0")];
const ORDER: SwapOrder = { askedBy: "a test", mayBeOlder: false, again: false };

const worldWith = (behaviour: Behaviour): SwapWorld => swapWorld(folder(), OLD, new Map([[NEW, behaviour]]));
const releaseOf = (world: SwapWorld, version: Version, options: ReleaseOptions = {}): string =>
  writeRelease(world.folder, version, world.clock.nowMs(), world.publisher, options);
const update = (world: SwapWorld, version: Version, order: Partial<SwapOrder> = {}) =>
  world.settle(world.swap.update(localSource(releaseOf(world, version)), { ...ORDER, ...order }));

/** What `releases/current` says when it is run. */
function currentSays(world: SwapWorld): string {
  return spawnSync(join(world.folder, "releases", "current", "drover"))
    .stdout.toString()
    .trim();
}

function state({ store, node }: SwapWorld): unknown {
  const { folder: releases, records } = store;
  return {
    running: node.running,
    current: releases.linked("current"),
    previous: releases.linked("previous"),
    floor: records.floor(),
    journal: records.journal(),
    announced: node.announced,
  };
}
const UNTOUCHED = { running: OLD, current: OLD, previous: null, floor: null, journal: null, announced: false };

describe("a swap", () => {
  it("to a good release passes every step, raises the floor and leaves one row", async () => {
    const world = worldWith({});

    const done = await update(world, NEW);

    expect(done).toMatchObject({
      ok: true,
      value: { version: NEW, from: OLD, result: "committed", askedBy: "a test" },
    });
    expect(state(world)).toEqual({ ...UNTOUCHED, running: NEW, current: NEW, previous: OLD, floor: v("0.0.1") });
    expect(currentSays(world)).toBe(NEW);
    expect(world.node.calls).toEqual(["selftest", "drain", `start ${NEW}`]);
    expect(world.store.records.history()).toEqual([done.ok ? done.value : undefined]);
    expect(done.ok && done.value.checks.map(({ name }) => name)).toEqual([
      "signature",
      "accepted",
      "content",
      "databases",
    ]);
  });

  it("takes its time on probation", async () => {
    const world = worldWith({});
    const startedMs = world.clock.monotonicMs();

    await update(world, NEW);

    expect(world.clock.monotonicMs() - startedMs).toBeGreaterThanOrEqual(PROBATION.windowMs);
  });

  it("goes back by command, and forward again", async () => {
    const world = worldWith({});
    await update(world, NEW);

    const back = await world.settle(world.swap.rollback(null, "a person"));

    expect(back).toMatchObject({ ok: true, value: { kind: "rollback", version: OLD, from: NEW, result: "committed" } });
    expect(state(world)).toMatchObject({ running: OLD, current: OLD, previous: NEW });
    expect(await world.settle(world.swap.rollback(null, "a person"))).toMatchObject({ ok: true });
    expect(currentSays(world)).toBe(NEW);
  });

  it("does not go back to a release whose file was changed, nor below the floor", async () => {
    const world = worldWith({});
    await update(world, NEW);
    await update(world, NEXT);
    const binary = world.store.folder.binaryOf(NEW);
    writeFileSync(binary, readFileSync(binary, "utf8").replace("echo", "true"));

    expect(await world.swap.rollback(NEW, "a person")).toMatchObject({ ok: false, error: { reason: "hash_wrong" } });
    world.store.records.raiseFloor(NEXT);
    expect(await world.swap.rollback(NEW, "a person")).toMatchObject({ ok: false, error: { reason: "below_floor" } });
    expect(currentSays(world)).toBe(NEXT);
  });

  it("is refused while another is under way", async () => {
    const world = worldWith({});
    const first = world.swap.update(localSource(releaseOf(world, NEW)), ORDER);

    expect(await world.swap.update(localSource(releaseOf(world, NEXT)), ORDER)).toMatchObject({
      ok: false,
      error: { reason: "in_progress" },
    });
    expect(await world.settle(first)).toMatchObject({ ok: true, value: { result: "committed" } });
  });

  it("keeps current, previous and one more release, and removes the others", async () => {
    const world = swapWorld(folder(), OLD);
    const versions = ["2.0.0", "3.0.0", "4.0.0", "5.0.0"].map(v);
    for (const version of versions) await update(world, version);

    expect(world.store.folder.versions()).toEqual(["3.0.0", "4.0.0", "5.0.0"]);
  });
});

describe("a bad release that is refused before anything runs", () => {
  const strange = makeKey();
  const damage = (world: SwapWorld, act: (file: string) => void, options: ReleaseOptions = {}): string => {
    const release = releaseOf(world, NEW, options);
    act(join(release, `drover-${TARGET}`));
    return release;
  };
  const kinds: readonly (readonly [string, string, (world: SwapWorld) => string])[] = [
    ["with a bad signature", "signature_wrong", (world) => changeManifest(releaseOf(world, NEW))],
    ["signed by a strange key", "key_unknown", (world) => releaseOf(world, NEW, { keys: [strange] })],
    ["that is truncated", "truncated", (world) => damage(world, (file) => truncateSync(file, 10))],
    [
      "that was changed",
      "hash_wrong",
      (world) => damage(world, (file) => writeFileSync(file, "#!/bin/sh\necho 6.6.6\n")),
    ],
    [
      "that is longer than signed",
      "size_wrong",
      (world) => damage(world, (file) => writeFileSync(file, "x".repeat(999))),
    ],
    ["that is old and was good once (replay)", "replay", (world) => releaseOf(world, v("0.9.0"))],
  ];
  it.each(kinds)("%s: %s, and the old one goes on untouched", async (_what, reason, make) => {
    const world = worldWith({});

    const done = await world.settle(world.swap.update(localSource(make(world)), ORDER));

    expect(done).toMatchObject({ ok: false, error: { reason } });
    expect(state(world)).toEqual(UNTOUCHED);
    expect(world.node.calls).toEqual([]);
    expect(world.store.records.history()).toMatchObject([{ result: "refused" }]);
    expect(readdirSync(join(world.folder, "releases")).filter((name) => name.startsWith(".staging"))).toEqual([]);
  });

  it("for another processor, although it is signed", async () => {
    const elf = new Uint8Array(64);
    elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    elf.set([2, 0, 183], 16);
    const world = swapWorld(folder(), OLD, new Map(), { executableCheck: checkExecutable });
    const release = releaseOf(world, NEW, { content: String.fromCharCode(...elf.map((byte) => byte & 0x7f)) });

    const done = await world.settle(world.swap.update(localSource(release), ORDER));

    expect(done).toMatchObject({ ok: false, error: { reason: "target_wrong" } });
    expect(state(world)).toEqual(UNTOUCHED);
  });
});

describe("a bad release that is found out later", () => {
  const untouched = ["selftest"];
  const returned = ["selftest", "drain", `start ${NEW}`, "drain", `start ${OLD}`];
  const kinds: readonly (readonly [string, Behaviour, string, readonly string[], string])[] = [
    ["exits or is killed in its selftest", { selftest: "fails" }, "abandoned", untouched, "its selftest failed"],
    ["hangs or is too slow to be ready", { start: "fails" }, "rolledBack", returned, "not ready within its limit"],
    [
      "crashes after it was ready",
      { laterMs: 2_000, later: { ok: false, fault: "it was restarted 5 times within a minute" } },
      "rolledBack",
      returned,
      "restarted 5 times",
    ],
    ["is started too often", { laterMs: 1_000, later: { boots: 4 } }, "rolledBack", returned, "started 4 times"],
    [
      "fails its requests within probation",
      { laterMs: 30_000, later: { requests: 1_000, serverErrors: 60 } },
      "rolledBack",
      returned,
      "60 of 1000 requests",
    ],
    [
      "is not ready at the end",
      { laterMs: 100_000, later: { ok: false } },
      "rolledBack",
      returned,
      "not ready at the end",
    ],
  ];
  it.each(kinds)("because it %s leaves the old one serving", async (_what, behaviour, result, calls, reason) => {
    const world = worldWith(behaviour);

    const done = await update(world, NEW);

    expect(done).toMatchObject({ ok: true, value: { result } });
    expect(done.ok && done.value.reason).toContain(reason);
    expect(state(world)).toEqual(UNTOUCHED);
    expect(world.node.calls).toEqual(calls);
    expect(currentSays(world)).toBe(OLD);
  });

  it("is not tried again at once, unless a person wants it", async () => {
    const world = worldWith({ start: "fails" });
    await update(world, NEW);

    expect(await update(world, NEW)).toMatchObject({ ok: false, error: { reason: "backing_off" } });
    expect(await update(world, NEW, { again: true })).toMatchObject({ ok: true, value: { result: "rolledBack" } });
  });

  it("gives the databases back as they were when nothing was written since", async () => {
    const world = worldWith({ selftest: "changesState", start: "fails" });

    const done = await update(world, NEW);

    expect(world.node.schema).toBe(1);
    expect(done.ok && done.value.reason).toContain("the databases are as before");
    expect(world.node.calls).toEqual([
      "selftest",
      "drain",
      "copyState",
      `start ${NEW}`,
      "drain",
      "restoreState",
      `start ${OLD}`,
    ]);
  });

  it("keeps what was written since, and says so", async () => {
    const world = worldWith({ selftest: "changesState", laterMs: 5_000, later: { fault: "it stopped" } });
    world.node.isWrittenSince = true;

    const done = await update(world, NEW);

    expect(world.node.schema).toBe(2);
    expect(done.ok && done.value.reason).toContain("were written since");
  });

  it("is not even started when the old one cannot be ended in order", async () => {
    const world = worldWith({});
    world.node.failDrain = true;

    const done = await update(world, NEW);

    expect(done).toMatchObject({ ok: true, value: { result: "rolledBack" } });
    expect(world.node.calls).toEqual(["selftest", "drain", "drain", `start ${OLD}`]);
    expect(state(world)).toEqual(UNTOUCHED);
  });
});

describe("a good release whose databases it changed", () => {
  it("leaves no copy behind once it is committed", async () => {
    const world = worldWith({ selftest: "changesState" });

    expect(await update(world, NEW)).toMatchObject({ ok: true, value: { result: "committed" } });
    expect([...world.node.copies]).toEqual([]);
  });
});

/** Puts the payload of another release under the signature. */
function changeManifest(release: string): string {
  const path = join(release, "manifest.json");
  // `as`: the envelope as signManifest has just written it.
  const envelope = JSON.parse(readFileSync(path, "utf8")) as { payload: string };
  const payload = Buffer.from(envelope.payload, "base64").toString().replace('"stable"', '"hidden"');
  writeFileSync(path, JSON.stringify({ ...envelope, payload: Buffer.from(payload).toString("base64") }));
  return release;
}
