import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { WatchdogPort } from "#api";
import {
  createIdFactory,
  err,
  type JsonObject,
  type JsonValue,
  type NodeId,
  ok,
  refused,
  retryable,
  SimulatedClock,
  seededRandom,
  silentLogger,
} from "#base";
import { announcedLevels, type FleetNode, FleetOrders, OWN_LEVELS, Presence } from "#fleet";
import { MemoryQueueStore } from "#queue";
import { ReleaseShelf } from "../../../../src/runtime/fleet/release-shelf.ts";
import { type ReadRelease, ReleaseTaker } from "../../../../src/runtime/fleet/release-taker.ts";
import { Rollouts } from "../../../../src/runtime/fleet/rollouts.ts";
import { Uploads } from "../../../../src/runtime/uploads.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { waitUntil } from "../../../support/wait-until.ts";
import { valueOf } from "../../api/api-harness.ts";

const folder = temporaryFolders();
const ids = createIdFactory(new SimulatedClock(), seededRandom(23));
const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** A watchdog that knows one release, and does with it what the test says. */
class StandIn implements WatchdogPort {
  readonly asked: JsonObject[] = [];
  readonly history: JsonObject[] = [];
  swap: JsonObject | null = null;
  refuses = false;

  async ask(action: string, body: JsonValue) {
    const fields = (body ?? {}) as JsonObject; // `as`: what the node sends is an object
    switch (action) {
      case "check":
        return ok({ version: "2.0.0", available: true, from: fields["from"] ?? "", reason: null, detail: null });
      case "releases":
        return ok({ swap: this.swap, history: [...this.history] });
      case "update":
        this.asked.push(fields);
        if (this.refuses) return err(refused("conflict", "the signature is wrong"));
        this.swap = { version: "2.0.0", step: "probation" };
        return ok({ accepted: true });
      default:
        return err(refused("unsupported", action));
    }
  }

  end(result: string, reason: string | null = null): void {
    this.swap = null;
    this.history.push({ askedBy: this.asked.at(-1)?.["askedBy"] ?? "", result, reason });
  }
}

/** A clock whose timers tests need not wait for. */
class QuickClock extends SimulatedClock {
  override after(delayMs: number, action: () => void) {
    const timer = setTimeout(action, delayMs / 100);
    return { cancel: () => clearTimeout(timer) };
  }
}

function releaseFolder(bytes = 5 * 1024 * 1024): string {
  const path = join(folder(), "release");
  mkdirSync(path);
  writeFileSync(join(path, "manifest.json"), "{}");
  writeFileSync(join(path, "drover-linux-x64"), Buffer.alloc(bytes, "drover"));
  writeFileSync(join(path, "notes.txt"), "not for nodes");
  return path;
}

function takerOf(read: ReadRelease, watchdog: WatchdogPort, stateDir = folder()) {
  const clock = new QuickClock();
  const uploads = new Uploads(stateDir, clock);
  const taker = new ReleaseTaker({
    stateDir,
    target: "linux-x64",
    read,
    uploads,
    watchdog,
    clock,
    logger: silentLogger,
  });
  stops.push(() => taker.stop());
  return { taker, stateDir };
}

const order = { version: "2.0.0", from: "hub", key: "r1/1" };

describe("a node that its hub wants to take a release", () => {
  it("fetches it in pieces, also past a hub that is away for a moment, hands it over, and says what became of it", async () => {
    const from = releaseFolder();
    const shelf = new ReleaseShelf(folder());
    valueOf(shelf.fill(from));
    const [watchdog, offsets] = [new StandIn(), [] as number[]];
    let away = 1;
    const { taker } = takerOf(async (file, offset) => {
      if (file.startsWith("drover-") && offset > 0) offsets.push(offset);
      if (offset > 0 && away-- > 0) return err(retryable("unavailable", "away"));
      return shelf.read(file, offset);
    }, watchdog);

    await taker.take(order);
    const handed = (watchdog.asked[0] as { readonly from: string }).from; // `as`: a folder was handed over
    const taking = taker.report;
    await taker.take(order);
    watchdog.end("committed");
    await waitUntil("it is said", () => taker.report?.state === "committed");

    const sum = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");
    expect(sum(join(handed, "drover-linux-x64"))).toBe(sum(join(from, "drover-linux-x64")));
    expect(offsets).toEqual([4 * 1024 * 1024, 4 * 1024 * 1024]);
    expect(taking).toEqual({ key: "r1/1", state: "taking", reason: null });
    expect(watchdog.asked).toHaveLength(1);
  });

  it("is told by the process of the next release how it ended", async () => {
    const [watchdog, stateDir] = [new StandIn(), folder()];
    const none: ReadRelease = async () => err(refused("not_found", "none"));
    const first = takerOf(none, watchdog, stateDir);
    await first.taker.take({ ...order, from: "https://releases.example/manifest.json" });
    first.taker.stop();
    watchdog.end("rolledBack", "it was not ready");

    const { taker } = takerOf(none, watchdog, stateDir);
    taker.start();
    await waitUntil("it is said", () => taker.report !== null);

    expect(watchdog.asked).toMatchObject([{ from: "https://releases.example/manifest.json", allowOlder: false }]);
    expect(taker.report).toEqual({ key: "r1/1", state: "failed", reason: "it was not ready" });
  });

  it("says so when there is no file for its machine, and when its watchdog refuses", async () => {
    const shelf = new ReleaseShelf(folder());
    valueOf(shelf.fill(releaseFolder(10)));
    const [lacking, refusing] = [new StandIn(), new StandIn()];
    refusing.refuses = true;
    const other = takerOf(
      async (file, offset) => shelf.read(file.replace("linux-x64", "windows-x64"), offset),
      lacking,
    );
    const own = takerOf(async (file, offset) => shelf.read(file, offset), refusing);

    await other.taker.take(order);
    await own.taker.take(order);

    expect(other.taker.report?.reason).toContain("no file for linux-x64");
    expect(own.taker.report?.reason).toContain("the signature is wrong");
  });
});

describe("the shelf of a hub", () => {
  it("gives the files of a release, and nothing else of its state", () => {
    const stateDir = folder();
    writeFileSync(join(stateDir, "token"), "secret");
    const shelf = new ReleaseShelf(stateDir);
    valueOf(shelf.fill(releaseFolder(10)));

    expect(valueOf(shelf.read("manifest.json", 0))).toEqual({ bytes: "e30=", size: 2 });
    expect(valueOf(shelf.read("drover-linux-x64", 10)).bytes).toBe("");
    for (const file of ["../token", "notes.txt", "token", "/etc/passwd"]) expect(shelf.read(file, 0).ok).toBe(false);
    expect(shelf.fill(folder())).toMatchObject({ ok: false, error: { code: "not_found" } });
  });
});

describe("a hub that updates its fleet", () => {
  function world() {
    const clock = new SimulatedClock();
    const store = new MemoryQueueStore();
    const [hub, gpu] = [ids.node(), ids.node()];
    const presence = new Presence(clock);
    const orders = new FleetOrders("s");
    const rows = new Map<NodeId, FleetNode>();
    for (const [id, name] of [
      [hub, "hub"],
      [gpu, "gpu1"],
    ] as const) {
      rows.set(id, {
        id,
        name,
        role: "member",
        publicKey: name,
        url: null,
        version: "1.0.0",
        featureLevel: OWN_LEVELS.newest,
        state: "active",
        leaseClass: "strict",
        joinedAtMs: 0,
        seenAtMs: clock.nowMs(),
        announced: {},
      });
    }
    const watchdog = new StandIn();
    const stateDir = folder();
    const shelf = new ReleaseShelf(stateDir);
    const { taker } = takerOf(async (file, offset) => shelf.read(file, offset), watchdog, stateDir);
    const says = (version: string, release: JsonObject | null = null): void =>
      presence.heard(gpu, { version, ...announcedLevels(OWN_LEVELS), release });
    /** A process of the hub, on what the one before it kept. */
    const process = (version = "1.0.0") =>
      new Rollouts({
        self: { id: hub, version },
        store,
        nodes: () => [...rows.values()],
        presence,
        orders,
        backOff: () => undefined,
        shelf,
        taker,
        watchdog,
        clock,
        logger: silentLogger,
      });
    const due = () => orders.due(gpu, [], clock.monotonicMs());
    return { clock, store, watchdog, says, process, due, taker };
  }

  it("asks the others, then itself, and a process that starts anew goes on where it was", async () => {
    const { clock, says, process, due, watchdog, store, taker } = world();
    const from = releaseFolder(10);
    says("1.0.0");

    const begun = valueOf(await process().begin({ from, wave: 1, watchMs: 1_000 }));
    const asked = due();
    const again = await process().begin({ from, wave: 1, watchMs: 1_000 });
    says("2.0.0", { key: `${begun.id}/1`, state: "committed", reason: null });
    const watched = valueOf(await process().look());
    clock.advance(1_000);
    says("2.0.0");
    const own = valueOf(await process().look());
    await waitUntil("it is said", () => watchdog.asked.length === 1);
    watchdog.end("committed");
    await waitUntil("it is said", () => taker.report?.state === "committed");
    await process("2.0.0").look();
    clock.advance(1_000);
    const over = valueOf(await process("2.0.0").look());

    expect(asked).toMatchObject([{ kind: "take", release: { version: "2.0.0", from: "hub", key: `${begun.id}/1` } }]);
    expect(again).toMatchObject({ ok: false, error: { code: "conflict" } });
    expect(watched?.nodes.map(({ state }) => state)).toEqual(["watched", "waiting"]);
    expect(own?.nodes.map(({ state }) => state)).toEqual(["updated", "asked"]);
    expect(over).toMatchObject({ phase: "done" });
    const kinds = valueOf(await store.events(0, 100)).filter(({ kind }) => kind === "fleet.rollout");
    expect(kinds.at(-1)?.data).toMatchObject({ version: "2.0.0", phase: "done", nodes: { updated: 2 } });
  });

  it("stops at a fault with its reason, asks nobody, and is begun anew only after it was ended", async () => {
    const { says, process, due } = world();
    says("1.0.0");
    const { id } = valueOf(await process().begin({ from: releaseFolder(10), wave: 1, watchMs: 0 }));
    says("1.0.0", { key: `${id}/1`, state: "failed", reason: "its selftest failed" });

    const stopped = valueOf(await process().look());
    const nobody = due();
    const refusal = await process().begin({ from: releaseFolder(10), wave: 1, watchMs: 0 });
    const aborted = valueOf(await process().steer("abort"));

    expect(stopped).toMatchObject({ phase: "stopped", reason: "gpu1: its selftest failed" });
    expect([nobody, refusal.ok]).toEqual([[], false]);
    expect(aborted.phase).toBe("aborted");
  });
});
