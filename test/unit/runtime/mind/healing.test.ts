/** Healing from end to end: each remediation over real stores, and how an episode ends. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { err, ok, retryable } from "#base";
import type { EndpointState } from "#hw";
import { lostReport } from "#queue";
import { endpointState } from "../../../support/inference-world.ts";
import { MindWorld } from "../../../support/mind-world.ts";
import { must } from "../../../support/opened-stores.ts";
import { newTask } from "../../../support/queue-world.ts";
import { IN_MEMORY, temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders(IN_MEMORY);
let world: MindWorld | undefined;

afterEach(async () => {
  await world?.close();
  world = undefined;
});

async function open(settings: Parameters<typeof MindWorld.open>[1] = {}): Promise<MindWorld> {
  world = await MindWorld.open(folder(), settings);
  return world;
}

const BROKEN = retryable("unavailable", "the disk answers with an error");

function down(id: string, more: Partial<EndpointState> = {}): EndpointState {
  const health = { kind: "open", retryAtMs: 0, reason: "it does not answer", faults: 3 } as const;
  return { ...endpointState(id, `http://127.0.0.1:1/${id}`), health, loaded: [], inFlight: {}, ...more };
}

/** How the latest episode ended. */
const outcome = (at: MindWorld): string | undefined => at.service.mind.episodes.at(-1)?.outcome;

describe("a database that cannot be written", () => {
  it("has its journal written back, and when that was it the mind rests", async () => {
    const at = await open();
    at.brokenDatabases = { "fleet.db": BROKEN };
    at.onCall["checkpoint"] = () => (at.brokenDatabases = {});

    await at.until(() => outcome(at) !== undefined);

    expect(at.calls).toEqual(["checkpoint fleet.db"]);
    expect([at.state, outcome(at), at.verdicts()]).toEqual([
      "resting",
      "recovered",
      [["checkpointDatabase", "worked"]],
    ]);
    expect(at.audited()).toEqual([expect.objectContaining({ action: "heal.checkpointDatabase", isDone: true })]);
  });

  it("is rewritten next, and at last the node is restarted, unless an attempt is well", async () => {
    const at = await open();
    at.brokenDatabases = { "node.db": BROKEN };
    at.onCall["restartSelf"] = () => (at.brokenDatabases = {});
    at.running = 1;

    await at.until(() => at.treated.includes("compactDatabase"), 240);
    await at.pass(30);
    const whileItRan = [...at.calls];
    at.running = 0;
    await at.until(() => outcome(at) === "recovered", 2_000);

    expect(whileItRan).toContain("compact node.db");
    expect(whileItRan).not.toContain("restartSelf");
    expect(at.calls.filter((call) => call === "restartSelf")).toHaveLength(1);
    expect(at.audited()).toContainEqual(expect.objectContaining({ action: "heal.compactDatabase", isDone: true }));
  });
});

describe("a host", () => {
  it("whose disk is full has what it can do without removed, and its databases rewritten", async () => {
    const at = await open();
    at.disk = { totalBytes: 100_000_000_000, freeBytes: 3_000_000_000 };
    at.onCall["prune"] = () => (at.disk = { ...at.disk, freeBytes: 4_000_000_000 });
    at.onCall["compact"] = () => (at.disk = { ...at.disk, freeBytes: 20_000_000_000 });

    await at.until(() => outcome(at) !== undefined, 300);

    expect(at.calls.filter((call) => call === "prune").length).toBeGreaterThan(0);
    expect(at.calls).toEqual(expect.arrayContaining(["compact fleet.db", "compact node.db"]));
    expect(outcome(at)).toBe("recovered");
  });

  it("with a large disk is well although few percent are free", async () => {
    const at = await open();
    at.disk = { totalBytes: 10_000_000_000_000, freeBytes: 100_000_000_000 };

    await at.pass(30);

    expect([at.state, at.calls]).toEqual(["resting", []]);
  });

  it("whose memory is used up gives up models that answer nobody, and keeps the one that does", async () => {
    const at = await open();
    const loaded = [
      { name: "idle:1b", digest: null, sizeBytes: 1, vramBytes: 1, contextLength: null, expiresAtMs: null },
      { name: "busy:1b", digest: null, sizeBytes: 1, vramBytes: 1, contextLength: null, expiresAtMs: null },
    ];
    at.endpoints = [{ ...endpointState("box", "http://127.0.0.1:1"), loaded, inFlight: { "busy:1b": 1 } }];
    at.ram = { ...at.ram, availableBytes: 20 };
    at.onCall["unload"] = () => (at.ram = { ...at.ram, availableBytes: 500 });

    await at.until(() => outcome(at) !== undefined);

    expect(at.calls).toEqual(["unload box idle:1b", "probe box"]);
    expect([outcome(at), at.verdicts()]).toEqual(["recovered", [["unloadIdleModels", "worked"]]]);
  });

  it("whose clock is off asks a person, once", async () => {
    const at = await open();
    at.clockOffsetMs = -90_000;

    await at.pass(600);

    expect(at.alerts.filter(({ key }) => key.startsWith("ask:clockSkew"))).toHaveLength(1);
    expect([at.state, outcome(at)]).toEqual(["resting", "handedOver"]);
  });
});

describe("a node of the fleet", () => {
  it("whose attempts fail while others pass is restarted, and not while one of its attempts is well", async () => {
    const at = await open();
    at.members = [{ id: at.other, isWell: false, running: 1 }];
    at.onCall["restartOther"] = () => (at.members = [{ id: at.other, isWell: true, running: 0 }]);

    await at.pass(90);
    const before = [...at.calls];
    at.members = [{ id: at.other, isWell: false, running: 0 }];
    await at.until(() => outcome(at) === "recovered", 2_000);

    expect(before).toEqual([]);
    expect(at.calls).toEqual([`restartOther ${at.other}`]);
  });

  it("that lags behind its hub follows it anew, and then fetches its copy anew", async () => {
    const at = await open();
    at.replica = { staleMs: 120_000, isReaching: true };
    at.onCall["renew"] = () => (at.replica = { staleMs: 100, isReaching: true });

    await at.until(() => outcome(at) !== undefined, 400);

    expect(at.calls).toEqual(["reattach", "reattach", "renew"]);
    expect(outcome(at)).toBe("recovered");
  });

  it("whose hub is away has nothing to heal", async () => {
    const at = await open();
    at.replica = { staleMs: 900_000, isReaching: false };

    await at.pass(60);

    expect([at.state, at.calls]).toEqual(["resting", []]);
  });
});

describe("endpoints that are all down", () => {
  it("are looked at, and one that answers again ends it", async () => {
    const at = await open();
    at.endpoints = [down("box")];
    at.onCall["probe"] = () => (at.endpoints = [endpointState("box", "http://127.0.0.1:1/box")]);

    await at.until(() => outcome(at) !== undefined);

    expect([at.treated, outcome(at)]).toEqual([["probeEndpoint"], "recovered"]);
  });

  it("are looked at, loaded anew, and their service is restarted by the command that is configured", async () => {
    const mark = join(folder(), "restarted");
    const at = await open({
      endpoints: [
        {
          url: "http://127.0.0.1:1/box",
          kind: "ollama",
          name: "box",
          labels: {},
          models: [],
          restart_command: ["touch", mark],
        },
      ],
    });
    at.endpoints = [down("box")];
    at.onCall["probe"] = () => {
      if (existsSync(mark)) at.endpoints = [endpointState("box", "http://127.0.0.1:1/box")];
    };

    await at.until(() => outcome(at) === "recovered", 600);

    expect([...new Set(at.treated)]).toEqual(["probeEndpoint", "reloadModel", "restartEndpointService"]);
    expect(at.calls.some((call) => call.startsWith("load box "))).toBe(true);
    expect(readFileSync(mark, "utf8")).toBe("");
  });

  it("are passed by the fallback model for an hour, also by a node that starts meanwhile, and no longer", async () => {
    const fallback = endpointState("cloud", "http://127.0.0.1:2", { models: ["spare:1b"] });
    const at = await open({ "fsm.fallback_models": ["spare:1b"] });
    const [model] = fallback.models;
    at.endpoints = [down("box"), { ...fallback, models: model === undefined ? [] : [{ ...model, name: "spare:1b" }] }];

    await at.until(() => outcome(at) !== undefined, 400);
    const opened = at.detours.isOpen("fallback");
    at.detours.close("fallback");
    await at.restart();
    const again = at.detours.isOpen("fallback");
    at.endpoints = [];
    at.clock.advance(3_600_000);
    await at.pass(2);

    expect([outcome(at), opened, again, at.detours.isOpen("fallback")]).toEqual(["handedOver", true, true, false]);
  });

  it("are passed by Claude where that is allowed, and not when the budget of healing is spent", async () => {
    const claude = endpointState("claude", "http://127.0.0.1:2", { kind: "anthropic" });
    const at = await open({ "executor.claude.fallback": true });
    at.endpoints = [down("box"), claude];
    at.budgets = { ...at.budgets, healing: 0 };

    await at.until(() => outcome(at) !== undefined, 400);
    const withoutBudget = [outcome(at), at.detours.isOpen("claude")];
    at.budgets = { ...at.budgets, healing: 50 };
    await at.until(() => outcome(at) === "handedOver", 3_000);

    expect(withoutBudget).toEqual(["exhausted", false]);
    expect(at.detours.isOpen("claude")).toBe(true);
  });
});

describe("a key", () => {
  it("whose attempts are lost again and again is paused for half an hour and resumes by itself", async () => {
    const at = await open();
    const key = "deploy";
    for (let crash = 0; crash < 6; crash += 1) {
      const task = newTask(at.ids.task(), { key, maxAttempts: 20 });
      must(await at.queue.submit([task]));
      const claimed = must(await at.queue.claim({ holder: at.self, limit: 1, accepts: () => true })).tasks;
      for (const { row, fence } of claimed) {
        must(await at.queue.finish(row.id, fence, { ...LOST }));
      }
    }
    const isPaused = async () =>
      must(await at.stores.queue.transact("look", (tx) => ok(tx.key(key)?.policy.paused ?? false)));

    await at.until(() => outcome(at) !== undefined);
    const paused = await isPaused();
    at.clock.advance(1_800_000);
    await at.pass(10);

    // A paused key loses nothing more.
    expect([at.treated, outcome(at), paused]).toEqual([["pauseKey"], "recovered", true]);
    expect(await isPaused()).toBe(false);
  });

  it("whose tasks come much faster than they end is paused, and others are not", async () => {
    const at = await open({ "fsm.enter_at": { queue_growing: 20 }, "fsm.leave_at": { queue_growing: 5 } });
    must(await at.queue.submit(Array.from({ length: 30 }, () => newTask(at.ids.task(), { key: "flood" }))));
    must(await at.queue.submit(Array.from({ length: 30 }, () => newTask(at.ids.task()))));

    await at.until(() => outcome(at) !== undefined);
    const keys = must(await at.stores.queue.keys(10)).filter(({ policy }) => policy.paused);

    expect(keys.map(({ key }) => key)).toEqual(["flood"]);
  });
});

const LOST = lostReport("gone");

describe("tasks of a node that went away", () => {
  it("are given back when their leases have run out, and not while one is well", async () => {
    const at = await open();
    const tasks = await at.held(4);
    at.silentMs = 60_000;
    // Leases last four seconds.
    await at.pass(3);
    const early = await Promise.all(tasks.map((id) => at.stateOf(id)));

    await at.until(() => outcome(at) !== undefined);

    expect(new Set(early)).toEqual(new Set(["running"]));
    expect(new Set(await Promise.all(tasks.map((id) => at.stateOf(id))))).toEqual(new Set(["ready"]));
    expect([at.treated, outcome(at)]).toEqual([["requeueTasks"], "recovered"]);
    expect(at.audited()[0]?.what).toBe(`4 tasks of ${at.other} are given back`);
  });

  it("are dead letters once they were lost three times", async () => {
    const at = await open();
    const tasks = await at.held(1);
    at.silentMs = undefined;
    for (let loss = 0; loss < 3; loss += 1) {
      const [row] = must(await at.stores.queue.transact("look", (tx) => ok(tx.running(10))));
      if (row === undefined) throw new Error("nothing runs");
      must(await at.queue.finish(row.id, { epoch: row.fenceEpoch, n: row.fenceN }, LOST));
      must(await at.queue.claim({ holder: at.other, limit: 1, accepts: () => true }));
    }

    await at.until(() => outcome(at) !== undefined);

    expect(await at.stateOf(tasks[0] ?? at.ids.task())).toBe("dead");
    expect([at.treated, outcome(at)]).toEqual([["deadLetterTasks"], "recovered"]);
  });

  it("of a node that is heard of are its own", async () => {
    const at = await open();
    await at.held(4);
    at.silentMs = 1_000;

    await at.pass(30);

    expect([at.state, at.treated]).toEqual(["resting", []]);
  });
});

const OUTPUT = `> tsc --noEmit
src/greet.ts(12,7): error TS2322: Type 'number' is not assignable to type 'string'.
Found 1 error.`;

describe("a repository", () => {
  it("that does not build gets one task that says file, line, command and first error", async () => {
    const at = await open();
    const fault = { kind: "repositoryBroken", target: "greeter", level: 1, healthyAttempts: 0 } as const;
    at.repositories = {
      faults: () => [fault],
      broken: async () => ok({ path: "/srv/greeter", command: ["npm", "run", "build"], output: OUTPUT }),
      conflict: async () => err(BROKEN),
    };

    await at.until(() => outcome(at) !== undefined);
    await at.pass(120);
    const tasks = must(await at.stores.queue.list({ label: { name: "drover.mind", value: "fix" } }, 10)).items;
    const body = JSON.parse(tasks[0]?.body ?? "{}") as { prompt: string; repo: string; verify: unknown };

    expect(tasks).toHaveLength(1);
    expect(body.prompt).toContain("Place: src/greet.ts line 12");
    expect(body.prompt).toContain("error TS2322: Type 'number' is not assignable to type 'string'.");
    expect(body.prompt).toContain("npm run build");
    expect([body.repo, outcome(at)]).toEqual(["/srv/greeter", "handedOver"]);
    expect(body.verify).toEqual([{ kind: "command_succeeds", command: ["npm", "run", "build"] }]);
  });

  it("with a branch that does not merge tells a person which files are in conflict", async () => {
    const at = await open();
    at.repositories = {
      faults: () => [{ kind: "mergeConflict", target: "drover/g_1", level: 2, healthyAttempts: 0 }],
      broken: async () => err(BROKEN),
      conflict: async () => ok({ repository: "greeter", files: ["a.ts", "b.ts"] }),
    };

    await at.until(() => outcome(at) !== undefined);

    expect(at.alerts.map(({ message }) => message)).toEqual([
      "drover/g_1 of greeter does not merge. In conflict: a.ts, b.ts",
    ]);
    expect(outcome(at)).toBe("handedOver");
  });
});

describe("an episode", () => {
  it("at its deadline gives way to rest, with a critical alert", async () => {
    const at = await open({ "fsm.deadline_ms": { healing: 60_000 } });
    at.brokenDatabases = { "fleet.db": BROKEN };

    await at.until(() => outcome(at) !== undefined, 200);

    expect([at.state, outcome(at)]).toEqual(["resting", "overdue"]);
    const last = at.entries.findLast(({ kind }) => kind === "changed");
    expect(last).toMatchObject({ from: "healing", to: "resting", cause: "deadline", lastedMs: 60_000 });
    expect(at.alerts.map(({ severity, message }) => [severity, message])).toEqual([
      ["critical", "healing was ended after 60 s"],
    ]);
  });

  it("that does not help again and again ends on hold, which asks for a person and ends by a person", async () => {
    const at = await open({
      "fsm.deadline_ms": { healing: 60_000 },
      "fsm.healing": { rest_ms: 1_000, max_rest_ms: 1_000, again_ms: 1_000, fruitless: 2 },
    });
    at.brokenDatabases = { "fleet.db": BROKEN };

    await at.until(() => at.service.mind.hold !== null, 1_500);
    const asked = at.alerts.filter(({ title }) => title === "The mind is on hold");
    await at.pass(60);
    const held = at.state;
    const unsettled = [...at.openAlerts].toSorted();
    must(at.service.tell({ kind: "release", by: "gertrude" }));
    const released = [...at.openAlerts];
    at.brokenDatabases = {};
    await at.pass(200);

    expect(unsettled).toEqual(["fsm-hold", "fsm:healing"]);
    expect(released).toEqual(["fsm:healing"]);
    expect([...at.openAlerts]).toEqual([]);
    expect(asked.map(({ severity }) => severity)).toEqual(["critical"]);
    expect([held, at.service.mind.hold]).toEqual(["resting", null]);
  });
});
