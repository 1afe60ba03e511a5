import { describe, expect, it } from "vitest";
import { createIdFactory, type JsonValue, ok, SimulatedClock, seededRandom, silentLogger } from "#base";
import { LANES, MemoryQueueStore, QueueService } from "#queue";
import { type Config, SETTING_PATHS, SETTINGS } from "../../../../src/runtime/config/settings.ts";
import { breakers } from "../../../../src/runtime/failsafes/breakers.ts";
import { Failsafes } from "../../../../src/runtime/failsafes/failsafes.ts";
import {
  CLOSED,
  highIsBad,
  type LevelBreaker,
  type LevelEvent,
  lowIsBad,
  stepLevel,
} from "../../../../src/runtime/failsafes/level-breaker.ts";
import { modelPorts } from "../../../support/model-ports.ts";
import { newTask } from "../../../support/queue-world.ts";
import { valueOf } from "../../api/api-harness.ts";

const read = (reading: "good" | "between" | "bad"): LevelEvent => ({ kind: "read", reading });
const RESET: LevelEvent = { kind: "reset" };
const [GOOD, BETWEEN, BAD] = [read("good"), read("between"), read("bad")];

describe("a breaker over a level", () => {
  it.each<[string, readonly LevelEvent[], readonly string[]]>([
    ["L1: opens at a bad reading alone", [GOOD, BETWEEN, BAD], ["closed -", "closed -", "open opened"]],
    ["L2: closes at a good reading alone", [BAD, BETWEEN, GOOD], ["open opened", "open -", "closed closed"]],
    [
      "L3: lets everything through when it was reset, until it was well once",
      [BAD, RESET, BAD, BETWEEN, GOOD, BAD],
      ["open opened", "overridden reset", "overridden -", "overridden -", "closed closed", "open opened"],
    ],
    ["L3: is reset only while it is open", [RESET, BAD], ["closed -", "open opened"]],
    ["L4: tells a change once", [BAD, BAD, GOOD, GOOD], ["open opened", "open -", "closed closed", "closed -"]],
  ])("%s", (_name, events, expected) => {
    let breaker: LevelBreaker = CLOSED;
    const seen = events.map((event, nowMs) => {
      const next = stepLevel(breaker, event, nowMs);
      breaker = next.breaker;
      return `${breaker.state} ${next.change ?? "-"}`;
    });

    expect(seen).toEqual(expected);
  });

  it.each([
    [79, "good"],
    [80, "between"],
    [99, "between"],
    [100, "bad"],
  ])("that is bad when it is high reads %d as %s", (value, reading) => {
    expect(highIsBad(value, { opensAt: 100, closesBelow: 80 })).toBe(reading);
  });

  it.each([
    [99, "bad"],
    [100, "between"],
    [119, "between"],
    [120, "good"],
  ])("that is bad when it is low reads %d as %s", (value, reading) => {
    expect(lowIsBad(value, { opensBelow: 100, closesAt: 120 })).toBe(reading);
  });
});

/** Of a node that takes ten open tasks, eight of which may be of the low lanes. */
function world() {
  // `as`: each setting has its own default.
  const defaults = Object.fromEntries(SETTING_PATHS.map((path) => [path, SETTINGS[path].initial])) as Config;
  const config = { ...defaults, "limits.open_tasks": 10, "limits.disk_low_bytes": 1_000 };
  const clock = new SimulatedClock();
  const [random, ids] = [seededRandom(1), createIdFactory(clock, seededRandom(2))];
  const disk = { freeBytes: 5_000 };
  const failsafes = new Failsafes({ config, clock, logger: silentLogger, freeBytes: () => disk.freeBytes });
  const store = new MemoryQueueStore();
  const queue = new QueueService({
    store,
    clock,
    random,
    ids,
    node: ids.node(),
    logger: silentLogger,
    maxOpenTasks: 10,
    lowLaneTasks: failsafes.lowLaneTasks,
    lowLanesRefused: failsafes.lowLanesRefused,
  });
  failsafes.watch(queue);
  const add = (lane: (typeof LANES)[number], count = 1) =>
    queue.submit(Array.from({ length: count }, () => newTask(ids.task(), { lane: LANES.indexOf(lane) })));
  const alerts = async () => {
    const events = valueOf(await store.events(0, 500));
    return events.filter(({ kind }) => kind.startsWith("failsafe.")).map(({ kind, data }) => [kind, data["name"]]);
  };
  return { failsafes, queue, store, disk, add, alerts };
}

describe("a queue that overflows", () => {
  it("takes no tasks of the lanes low and background, tells so once, and takes them again when it has room", async () => {
    const { failsafes, queue, add, alerts } = world();
    const first = valueOf(await add("normal", 8));

    const refused = [await add("low"), await add("background"), await add("low")];
    const urgent = await add("normal");
    for (const { id } of first.slice(0, 3)) valueOf(await queue.cancel(id, "room"));
    await failsafes.look();
    const after = await add("low");

    expect(refused.map((one) => !one.ok && one.error.code)).toEqual(["limit", "limit", "limit"]);
    expect([urgent.ok, after.ok]).toEqual([true, true]);
    expect(await alerts()).toEqual([
      ["failsafe.opened", "queue"],
      ["failsafe.closed", "queue"],
    ]);
  });

  it("takes them all the same when a person says so, and not beyond what it takes at all", async () => {
    const { failsafes, add } = world();
    await add("normal", 8);
    await add("low");

    const wasOpen = failsafes.reset("queue");
    const taken = [await add("low"), await add("low"), await add("low")];

    expect(wasOpen).toBe(true);
    expect(taken.map(({ ok: isTaken }) => isTaken)).toEqual([true, true, false]);
  });
});

describe("a disk that runs low", () => {
  it("is told, and over when there is clearly room again", async () => {
    const { failsafes, disk, alerts } = world();
    const seen: boolean[] = [];
    for (const freeBytes of [1_000, 999, 1_100, 1_200]) {
      disk.freeBytes = freeBytes;
      await failsafes.look();
      seen.push(failsafes.isDiskLow);
    }

    expect(seen).toEqual([false, true, true, false]);
    expect(await alerts()).toEqual([
      ["failsafe.opened", "disk"],
      ["failsafe.closed", "disk"],
    ]);
  });
});

describe("the list of breakers", () => {
  const node: JsonValue = { restarts: { used: 2, allowed: 5, withinMs: 1_800_000 } };

  it("has the node's own, the watchdog's and the budgets, and resets what can be", async () => {
    const { failsafes, disk } = world();
    const asked: string[] = [];
    const budget = { span: "day", unit: "tokens", limit: 10, used: 10, action: "refuse", freesAtMs: null } as const;
    const port = breakers({
      failsafes,
      models: { ...modelPorts(), budgets: async () => ok([budget]) },
      watchdog: {
        ask: async (action) => {
          asked.push(action);
          return ok({ node });
        },
      },
    });
    disk.freeBytes = 10;

    const list = await port.list();
    const reset = [await port.reset("disk"), await port.reset("crashes")];
    const not = [await port.reset("budget:day:tokens"), await port.reset("nothing")];

    expect(list.map(({ name, state, value }) => [name, state, value])).toEqual([
      ["crashes", "closed", 2],
      ["queue", "closed", 0],
      ["disk", "open", 10],
      ["builds", "closed", 0],
      ["budget:day:tokens", "open", 10],
    ]);
    expect(reset.every(({ ok: isReset }) => isReset)).toBe(true);
    expect(failsafes.isDiskLow).toBe(false);
    expect(asked).toContain("reset");
    expect(not).toMatchObject([{ error: { code: "unsupported" } }, { error: { code: "not_found" } }]);
  });
});
