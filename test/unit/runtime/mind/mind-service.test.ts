/** The service around the machine: states, people, and what a crash leaves. */
import { afterEach, describe, expect, it } from "vitest";
import { err, retryable } from "#base";
import { mindRules } from "../../../../src/runtime/mind/mind-rules.ts";
import { MindWorld } from "../../../support/mind-world.ts";
import { failureIn, must } from "../../../support/opened-stores.ts";
import { IN_MEMORY, temporaryFolders } from "../../../support/temporary-folder.ts";
import { configWith } from "../models/model-config.ts";

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
const ways = (at: MindWorld): readonly string[] =>
  at.entries.flatMap((entry) => (entry.kind === "changed" ? [`${entry.from} → ${entry.to}`] : []));

describe("the mind of a node", () => {
  it("executes while goals are ready, and rests when they are not", async () => {
    const at = await open();
    at.goals = { readyGoals: 1, readyTasks: 2 };

    await at.until(() => at.state === "executing");
    const begun = [at.executing.begins, at.executing.ends];
    at.goals = { readyGoals: 0, readyTasks: 0 };
    await at.until(() => at.state === "resting");

    expect(begun).toEqual([1, 0]);
    expect([at.executing.begins, at.executing.ends]).toEqual([1, 1]);
    expect(ways(at)).toEqual(["resting → executing", "executing → resting"]);
    // FSM4: the least time of a state.
    expect(at.entries.at(-1)).toMatchObject({ cause: "workDone", lastedMs: 30_000 });
  });

  it("improves when a scan is due, contemplates when that is done, and rests", async () => {
    const at = await open();
    at.sinceScanMs = null;
    at.sinceProposalMs = null;

    await at.until(() => at.state === "improving");
    at.sinceScanMs = 0;
    at.improving.isDone = true;
    await at.until(() => at.state === "contemplating");
    at.sinceProposalMs = 0;
    at.contemplating.isDone = true;
    await at.until(() => at.state === "resting");

    expect(ways(at)).toEqual(["resting → improving", "improving → contemplating", "contemplating → resting"]);
  });

  it("gives work up for a fault, and goes on with it afterwards", async () => {
    const at = await open();
    at.goals = { readyGoals: 1, readyTasks: 1 };
    await at.until(() => at.state === "executing");
    at.brokenDatabases = { "fleet.db": BROKEN };
    at.onCall["checkpoint"] = () => (at.brokenDatabases = {});

    await at.until(() => at.state === "healing");
    await at.until(() => at.executing.begins === 2);

    expect(ways(at)).toEqual([
      "resting → executing",
      "executing → healing",
      "healing → resting",
      "resting → executing",
    ]);
  });

  it("rests while it is paused, and goes on when the pause is over", async () => {
    const at = await open();
    at.goals = { readyGoals: 1, readyTasks: 1 };
    await at.until(() => at.state === "executing");

    must(at.service.tell({ kind: "pause", by: "gertrude", reason: "new disks", forMs: 60_000 }));
    const ended = at.executing.ends;
    await at.pass(59);
    const paused = [at.state, at.service.mind.pause?.by];
    const refusal = failureIn(at.service.tell({ kind: "force", by: "gertrude", to: "improving", reason: "now" }));
    await at.until(() => at.state === "executing");

    expect([ended, paused]).toEqual([1, ["resting", "gertrude"]]);
    expect([refusal.code, refusal.message]).toEqual(["conflict", "the mind is paused"]);
    expect(at.service.mind.pause).toBeNull();
  });

  it("is forced into a state by a person, whose name the journal and the audit log keep", async () => {
    const at = await open();

    must(at.service.tell({ kind: "force", by: "gertrude", to: "improving", reason: "before the release" }));

    expect(at.improving.begins).toBe(1);
    expect(must(at.stores.mind.page(null, 1))).toMatchObject([{ by: "gertrude", to: "improving", cause: "forced" }]);
    expect(must(at.stores.audit.after(0, 10))).toMatchObject([
      { actor: "gertrude", action: "mind.changed", subject: "mind", reason: "before the release" },
    ]);
  });
});

describe("a crash of a node that heals", () => {
  it("MS1: before the decision is on the disk leaves nothing of it, and it is decided anew", async () => {
    const at = await open();
    at.brokenDatabases = { "fleet.db": BROKEN };
    await at.until(() => at.state === "healing");
    const before = at.calls.length;
    at.crashAt = "mind:decided";
    await at.pass(60);
    const during = at.calls.length;

    await at.restart();
    await at.until(() => at.calls.length > before);

    expect(during).toBe(before);
    expect(at.calls).toContain("checkpoint fleet.db");
  });

  it("MS3: between the journal and the remedy repeats nothing; the facts say whether it helped", async () => {
    const at = await open();
    at.brokenDatabases = { "fleet.db": BROKEN };
    await at.until(() => at.state === "healing");
    at.crashAt = "mind:persisted";
    await at.pass(1);
    const kept = must(at.stores.mind.page(null, 1));
    expect(kept).toMatchObject([{ kind: "treated", remediation: "checkpointDatabase" }]);
    expect(at.calls).toEqual([]);

    await at.restart();
    const again = [...at.calls];
    const { treatments, state } = at.service.mind;
    await at.until(() => at.verdicts()[0]?.[1] !== null);

    expect([again, state]).toEqual([[], "healing"]);
    expect(treatments.map(({ remediation, verdict }) => [remediation, verdict])).toEqual([
      ["checkpointDatabase", null],
    ]);
    expect(at.verdicts()[0]).toEqual(["checkpointDatabase", "failed"]);
  });

  it("does not count the time in which nobody could act, and begins the activity anew", async () => {
    const at = await open();
    at.goals = { readyGoals: 1, readyTasks: 1 };
    await at.until(() => at.state === "executing");
    await at.pass(40);
    const deadlineMs = at.service.mind.deadlineMs ?? 0;
    await at.close();
    at.clock.advance(3_600_000);

    await at.start();

    const later = (at.service.mind.deadlineMs ?? 0) - deadlineMs;
    expect([at.state, at.executing.begins]).toEqual(["executing", 2]);
    // It is noted every half minute that it lives.
    expect(later).toBeGreaterThanOrEqual(3_600_000);
    expect(later).toBeLessThanOrEqual(3_631_000);
  });

  it("MS2: finds a clock that was set back standing still, not running back", async () => {
    const at = await open();
    must(at.service.tell({ kind: "force", by: "gertrude", to: "improving", reason: "now" }));
    const before = at.service.nowMs();
    at.clock.jumpWall(-86_400_000);

    await at.restart();
    await at.pass(5);

    expect(at.service.nowMs()).toBeGreaterThanOrEqual(before);
    expect(at.service.mind.atMs).toBeGreaterThanOrEqual(before);
  });
});

describe("the journal", () => {
  it("MS4: stays bounded, and a start reads a snapshot and little more", async () => {
    const at = await open();
    for (let turn = 0; turn < 510; turn += 1) {
      must(at.service.tell({ kind: "pause", by: "gertrude", reason: "again", forMs: null }));
      must(at.service.tell({ kind: "resume", by: "gertrude" }));
    }
    await at.pass(1);
    const { seq } = at.service.mind;
    const kept = must(at.stores.mind.read());

    expect(seq).toBe(1_020);
    expect(kept?.snapshot.seq).toBeGreaterThanOrEqual(1_000);
    expect(kept?.entries.length).toBeLessThan(200);
  });

  it("that cannot be read is set aside, and the mind is paused until a person resumes it", async () => {
    const at = await open();
    must(at.service.tell({ kind: "force", by: "gertrude", to: "improving", reason: "now" }));
    at.stores.mind.read = () => err({ kind: "terminal", code: "corrupt", message: "read an entry: it is no object" });
    const { mind } = at.stores;
    await at.service.stop();
    at.rebuild();

    must(at.service.start());

    expect(at.service.mind).toMatchObject({ state: "resting", pause: { by: "mind" } });
    expect(at.alerts.at(-1)).toMatchObject({ severity: "critical", title: "The mind lost its journal" });
    expect(must(mind.page(null, 10)).map(({ kind }) => kind)).toEqual(["paused"]);
  });

  it("that takes nothing is no reason to act: what is decided is decided again once it does", async () => {
    const at = await open();
    const append = at.stores.mind.append.bind(at.stores.mind);
    at.stores.mind.append = () => err(BROKEN);
    at.goals = { readyGoals: 1, readyTasks: 1 };

    await at.pass(30);
    const without = [at.state, at.executing.begins];
    at.stores.mind.append = append;
    await at.pass(2);

    expect(without).toEqual(["resting", 0]);
    expect([at.state, at.executing.begins]).toEqual(["executing", 1]);
  });
});

describe("a node without a watchdog", () => {
  it("is not ended by its own mind, because nobody would start it again", async () => {
    const at = await open();
    at.hasWatchdog = false;
    await at.restart();
    at.ram = { ...at.ram, availableBytes: 10 };

    await at.until(() => at.audited().some(({ action }) => action === "heal.restartNode"), 400);

    expect(at.calls).not.toContain("restartSelf");
    expect(at.audited().findLast(({ action }) => action === "heal.restartNode")).toMatchObject({
      isDone: false,
      what: "this node has no watchdog, so nobody would start it again",
    });
  });
});

describe("stopping", () => {
  it("may be done twice, and before it ever began", async () => {
    const at = await open();
    at.rebuild();
    await at.service.stop();
    await at.service.stop();

    expect(at.service.turns).toEqual({ mind: undefined });
  });
});

describe("the rules of a configuration", () => {
  it("are the defaults with what it says in their place", () => {
    const rules = must(
      mindRules(configWith({ "fsm.enter_at": { disk_low: 97 }, "fsm.deadline_ms": { healing: 60_000 } })),
    );

    expect([rules.settings.enterAt.diskLow, rules.settings.deadlineMs.healing]).toEqual([97, 60_000]);
    expect(rules.settings.leaveAt.diskLow).toBe(90);
  });

  it.each([
    [{ "fsm.enter_at": { disk_lo: 97 } }, "fsm.enter_at.disk_lo is not a setting; did you mean disk_low?"],
    [{ "fsm.enter_at": { disk_low: 101 } }, "fsm.enter_at.disk_low is no whole number from 0 to 100"],
    [{ "fsm.enter_at": { disk_low: 80 } }, "fsm.enter_at.disk_low is not above fsm.leave_at.disk_low"],
    [{ "fsm.dwell_ms": { healing: 300_000 } }, "fsm.deadline_ms.healing is not above fsm.dwell_ms.healing"],
  ])("are refused where they are wrong: %j", (settings, message) => {
    const failure = failureIn(mindRules(configWith(settings)));

    expect(failure.message).toContain(message);
    expect(failure.remedy).toContain("drover config check");
  });
});
