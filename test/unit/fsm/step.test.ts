import { describe, expect, it } from "vitest";
import {
  DEFAULT_RULES,
  type Effect,
  type Entry,
  effectsAtStart,
  effectsOf,
  type Facts,
  type Fault,
  historyOf,
  MAX_PAUSE_MS,
  MAX_REASON_CHARS,
  type Mind,
  type MindEvent,
  newMind,
  QUIET,
  REMEDIATION_NAMES,
  REMEDIATIONS,
  step,
} from "../../../src/fsm/index.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DUE: Facts = { ...QUIET, sinceScanMs: null, sinceProposalMs: null };

/** A mind that ticks each second, with its journal and what it commanded. */
class Ticking {
  mind: Mind = newMind(0);
  nowMs = 0;
  readonly entries: Entry[] = [];
  readonly effects: Effect[] = [];

  tell(event: MindEvent, facts: Facts = QUIET): string | null {
    const result = step(this.mind, event, facts, DEFAULT_RULES, this.nowMs);
    this.mind = result.mind;
    this.entries.push(...result.entries);
    this.effects.push(...result.effects);
    return result.refusal?.message ?? null;
  }

  run(facts: Facts, forMs: number): this {
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs; ) {
      this.nowMs += SECOND;
      this.tell({ kind: "tick" }, facts);
    }
    return this;
  }

  get states(): readonly string[] {
    return historyOf(this.entries).map(({ state, cause }) => `${state}: ${cause}`);
  }

  get treatments(): readonly string[] {
    return this.effects.flatMap((effect) =>
      effect.kind === "treat" ? [`${effect.remediation} ${effect.target}`] : [],
    );
  }
}

const sick = (kind: Fault["kind"], level: number, healthyAttempts = 0): Facts => ({
  ...QUIET,
  faults: [{ kind, target: "a", level, healthyAttempts }],
});

/** So many that reloading their models, four at a time, takes longer than an episode. */
const DOWN: Facts = {
  ...QUIET,
  faults: Array.from({ length: 10 }, (_one, index) => {
    return { kind: "endpointsDown", target: `e${index}`, level: 100, healthyAttempts: 0 };
  }),
};

describe("the cycles of the mind", () => {
  it("executes while work is ready or runs, and rests when it is done", () => {
    const ticking = new Ticking();

    ticking
      .run({ ...QUIET, readyGoals: 1 }, MINUTE)
      .run({ ...QUIET, runningAttempts: 1 }, MINUTE)
      .run(QUIET, MINUTE);

    expect(ticking.states).toEqual(["executing: workReady", "resting: workDone"]);
    expect(historyOf(ticking.entries)).toMatchObject([
      { fromMs: 10 * SECOND, durationMs: 111 * SECOND, reason: "1 goals and 0 tasks are ready", by: "mind" },
      { fromMs: 121 * SECOND, durationMs: null },
    ]);
  });

  it("improves when nothing else is to be done, contemplates after it, and rests", () => {
    const ticking = new Ticking();

    ticking.run(DUE, 2 * MINUTE).run({ ...DUE, isActivityDone: true }, MINUTE);
    ticking.run({ ...QUIET, isActivityDone: true }, 2 * MINUTE);

    expect(ticking.states).toEqual(["improving: scanDue", "contemplating: proposalDue", "resting: activityDone"]);
  });

  it("is told what to begin and what to end at each change", () => {
    const ticking = new Ticking();

    ticking.run({ ...QUIET, readyTasks: 1 }, 20 * SECOND).run(QUIET, MINUTE);

    expect(ticking.effects).toEqual([
      { kind: "begin", state: "executing", deadlineMs: 10 * SECOND + 4 * 3_600_000 },
      { kind: "end", state: "executing" },
      { kind: "settled", key: "fsm:executing" },
    ]);
  });
});

describe("healing", () => {
  it("FSM8: retries with growing cool-downs, goes to the next rung, and rests when the fault is gone", () => {
    const ticking = new Ticking();

    ticking.run(sick("endpointsDown", 100), 90 * SECOND).run(QUIET, 30 * SECOND);

    expect(ticking.treatments).toEqual(["probeEndpoint a", "probeEndpoint a", "probeEndpoint a", "reloadModel a"]);
    const begun = ticking.entries.filter(({ kind }) => kind === "treated").map(({ atMs }) => atMs / SECOND);
    expect(begun).toEqual([11, 21, 36, 41]);
    expect(ticking.states).toEqual(["healing: faultToTreat", "resting: recovered"]);
  });

  it("FSM3: is forced to rest at its deadline with a critical alert, and holds for a person after the third time", () => {
    const ticking = new Ticking();

    ticking.run(DOWN, 5 * MINUTE + 11 * SECOND);
    expect(ticking.states).toEqual(["healing: faultToTreat", "resting: deadline"]);
    expect(ticking.effects.at(-1)).toMatchObject({ kind: "alert", severity: "critical" });

    ticking.run(DOWN, 60 * MINUTE);
    expect(ticking.mind.hold).toMatchObject({ reason: "3 episodes of healing within 360 minutes did not help" });
    expect(ticking.effects.some(({ kind }) => kind === "askPerson")).toBe(true);
  });

  it("FSM3: after the one retry of a hold that did not help either, only a person ends it", () => {
    const ticking = new Ticking();

    ticking.run(sick("endpointsDown", 100), 8 * 60 * MINUTE);

    expect(ticking.mind.hold).toMatchObject({ retryAtMs: null });
    expect(effectsAtStart(ticking.mind)).toMatchObject([{ kind: "askPerson" }]);
    expect(ticking.tell({ kind: "force", by: "ada", to: "executing", reason: "" })).toContain("the mind is on hold");
    expect(ticking.tell({ kind: "release", by: "ada" })).toBe(null);
    expect(ticking.run({ ...QUIET, readyGoals: 1 }, MINUTE).mind.state).toBe("executing");
  });

  it("FSM3: an episode that a person begins within the rest after another does not make that rest shorter", () => {
    const ticking = new Ticking().run(DOWN, 5 * MINUTE + 11 * SECOND);
    const { restUntilMs } = ticking.mind;

    ticking.tell({ kind: "force", by: "ada", to: "healing", reason: "to see" });
    ticking.run({ ...QUIET, readyGoals: 1 }, MINUTE);

    expect(ticking.mind).toMatchObject({ state: "resting", restUntilMs });
  });

  it("FSM11: a hold that only a person could end is over when nothing was wrong for a minute, and not before", () => {
    const ticking = new Ticking().run(sick("endpointsDown", 100), 8 * 60 * MINUTE);
    const { episodes, healAgainMs } = ticking.mind;

    ticking.run({ ...QUIET, readyGoals: 1, wellForMs: 59 * SECOND }, MINUTE);
    const early = ticking.mind.hold;
    ticking.run({ ...sick("endpointsDown", 100), readyGoals: 1, wellForMs: MINUTE }, MINUTE);
    const sickly = ticking.mind.hold;
    ticking.run({ ...QUIET, readyGoals: 1, wellForMs: MINUTE }, 2 * SECOND);

    expect([early?.retryAtMs, sickly?.retryAtMs]).toEqual([null, null]);
    expect(ticking.mind).toMatchObject({ state: "executing", hold: null, episodes, healAgainMs });
    expect(ticking.effects.some(({ kind }) => kind === "settled")).toBe(true);
  });

  it("FSM4: interrupts improving after the dwell time of resting, and work after that of its own", () => {
    const broken = sick("repositoryBroken", 1);
    const improving = new Ticking().run(DUE, 11 * SECOND).run({ ...DUE, ...broken, sinceScanMs: 0 }, MINUTE);
    const working = new Ticking().run({ ...QUIET, readyGoals: 1 }, 11 * SECOND).run(broken, MINUTE);

    const lasted = (ticking: Ticking) => ticking.entries.filter(({ kind }) => kind === "changed").slice(0, 2);
    expect(lasted(improving)).toMatchObject([{ to: "improving" }, { to: "healing", lastedMs: 10 * SECOND }]);
    expect(lasted(working)).toMatchObject([{ to: "executing" }, { to: "healing", lastedMs: 30 * SECOND }]);
  });

  it("hands over what takes longer than an episode, and does not heal for it meanwhile", () => {
    const ticking = new Ticking();

    ticking.run(sick("repositoryBroken", 1), 3 * 60 * MINUTE);

    expect(ticking.treatments).toEqual(["openFixTask a"]);
    expect(ticking.states).toEqual(["healing: faultToTreat", "resting: handedOver"]);
  });

  it("FSM7: restarts a failing node only where no attempt is well", () => {
    const busy = new Ticking().run(sick("nodeFailing", 3, 1), 10 * MINUTE);
    const idle = new Ticking().run(sick("nodeFailing", 3, 0), MINUTE);

    expect(busy.states).toEqual([]);
    expect(idle.treatments).toEqual(["restartNode a"]);
    expect(idle.effects).toContainEqual(expect.objectContaining({ kind: "treat", onlyIfIdle: true }));
  });

  it("FSM4: neither begins nor ends between the two thresholds", () => {
    const below = new Ticking().run(sick("stuckTasks", 2), 10 * MINUTE);
    const above = new Ticking().run(sick("stuckTasks", 3), 20 * SECOND).run(sick("stuckTasks", 1), MINUTE);

    expect(below.states).toEqual([]);
    expect(above.mind.state).toBe("healing");
  });

  it("has a remediation for each name, and every rung for a kind that a fault can have", () => {
    expect(REMEDIATION_NAMES.filter((name) => !REMEDIATIONS.some((row) => row.name === name))).toEqual([]);
  });
});

describe("people", () => {
  it("FSM9: pause the mind at once, and nothing begins until they resume it", () => {
    const ticking = new Ticking().run({ ...QUIET, readyGoals: 1 }, MINUTE);

    ticking.tell({ kind: "pause", by: "ada", reason: "x".repeat(1_000), forMs: null });
    ticking.run({ ...QUIET, readyGoals: 1 }, 60 * MINUTE);

    expect(ticking.mind).toMatchObject({
      state: "resting",
      pause: { by: "ada", reason: "x".repeat(MAX_REASON_CHARS) },
    });
    expect(ticking.tell({ kind: "pause", by: "bob", reason: "", forMs: null })).toContain("paused already");
    expect(ticking.tell({ kind: "resume", by: "bob" })).toBe(null);
    expect(ticking.run({ ...QUIET, readyGoals: 1 }, SECOND).mind.state).toBe("executing");
  });

  it("are refused what makes no sense, with what to do", () => {
    const ticking = new Ticking();

    expect(ticking.tell({ kind: "resume", by: "ada" })).toContain("not paused");
    expect(ticking.tell({ kind: "release", by: "ada" })).toContain("not on hold");
    expect(ticking.tell({ kind: "force", by: "ada", to: "resting", reason: "" })).toContain("resting already");
    expect(ticking.tell({ kind: "pause", by: "ada", reason: "", forMs: MAX_PAUSE_MS + 1 })).toContain(
      "cannot be paused for",
    );
    expect(ticking.entries).toEqual([]);
  });

  it("force a state, which ends by its own deadline", () => {
    const ticking = new Ticking();

    ticking.tell({ kind: "force", by: "ada", to: "contemplating", reason: "to see" });
    ticking.run(QUIET, 16 * MINUTE);

    expect(historyOf(ticking.entries)).toMatchObject([
      { state: "contemplating", by: "ada", reason: "to see", durationMs: 15 * MINUTE },
      { state: "resting", cause: "deadline", by: "mind" },
    ]);
  });
});

describe("time", () => {
  it("that nobody could use is not held against a state", () => {
    const ticking = new Ticking();
    ticking.tell({ kind: "force", by: "ada", to: "healing", reason: "" });
    ticking.run(DOWN, 4 * MINUTE);

    ticking.nowMs += 60 * MINUTE;
    ticking.tell({ kind: "stoodStill", missedMs: 60 * MINUTE });

    expect(ticking.run(DOWN, 30 * SECOND).mind.state).toBe("healing");
    expect(ticking.run(DOWN, MINUTE).mind).toMatchObject({ state: "resting", cause: "deadline" });
  });

  it("FSM10: that goes back changes nothing", () => {
    const ticking = new Ticking().run({ ...QUIET, readyGoals: 1 }, MINUTE);
    const { mind } = ticking;

    ticking.nowMs -= 50 * SECOND;
    ticking.tell({ kind: "tick" });

    expect(ticking.mind).toBe(mind);
  });
});

describe("the effects of an entry", () => {
  it("FSM6: are the same whoever asks for them, and none for what only changes the mind", () => {
    const ticking = new Ticking().run(sick("endpointsDown", 100), 10 * MINUTE);

    expect(ticking.entries.flatMap(effectsOf)).toEqual(ticking.effects);
    expect(ticking.entries.filter(({ kind }) => kind === "judged").flatMap(effectsOf)).toEqual([]);
  });
});
