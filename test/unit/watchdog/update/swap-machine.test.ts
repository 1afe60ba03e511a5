/** The journal's machine, the plan after a crash, and the rule of probation. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Health, PROBATION, type Version } from "#watchdog";
import { readHistory, rowOfJournal, writeHistoryRow } from "../../../../src/watchdog/update/history.ts";
import {
  advanceSwap,
  beginSwap,
  dueEffect,
  type Journal,
  readJournal,
  SWAP_STEPS,
  type SwapEvent,
  type SwapStep,
  writeJournal,
} from "../../../../src/watchdog/update/journal.ts";
import { judgeProbation } from "../../../../src/watchdog/update/probation.ts";
import { planRecovery, type RecoveryFacts } from "../../../../src/watchdog/update/recover.ts";
import { v } from "../../../support/releases.ts";

const [OLDER, OLD, NEW] = [v("0.9.0"), v("1.0.0"), v("2.0.0")];
const MAX_BOOTS = 3;
const ORDER = {
  id: "try-1",
  kind: "update",
  version: NEW,
  from: OLD,
  previousBefore: OLDER,
  askedBy: "a test",
  minimumVersion: OLD,
} as const;
const GOOD: readonly SwapEvent[] = [
  { kind: "verified" },
  { kind: "selftested" },
  { kind: "announced" },
  { kind: "drained", stateCopy: "copy-1" },
  { kind: "switched" },
  { kind: "ready" },
  { kind: "healthy" },
];
const FAILED: SwapEvent = { kind: "failed", reason: "it broke" };

function journalAt(step: SwapStep): Journal {
  let journal = beginSwap(ORDER, 1);
  for (const event of GOOD) {
    if (journal.step === step) return journal;
    journal = advanceSwap(journal, event, 2);
  }
  if (step === "committed") return journal;
  if (step === "abandoned") return advanceSwap(journalAt("verified"), FAILED, 3);
  const back = advanceSwap(journalAt("starting"), FAILED, 3);
  return step === "rollingBack" ? back : advanceSwap(back, { kind: "returned", remark: null }, 4);
}

describe("a swap", () => {
  it("passes its steps in order and counts the start before it (U4)", () => {
    const passed = GOOD.reduce((journal, event, index) => advanceSwap(journal, event, index), beginSwap(ORDER, 0));

    expect(passed.steps.map(({ step }) => step)).toEqual([
      "staged",
      "verified",
      "selftested",
      "draining",
      "switching",
      "starting",
      "probation",
      "committed",
    ]);
    expect(passed).toMatchObject({ boots: 1, stateCopy: "copy-1", reason: null });
  });

  const ways: readonly (readonly [SwapStep, SwapStep])[] = [
    ["staged", "abandoned"],
    ["verified", "abandoned"],
    ["selftested", "abandoned"],
    ["draining", "rollingBack"],
    ["switching", "rollingBack"],
    ["starting", "rollingBack"],
    ["probation", "rollingBack"],
    ["rollingBack", "rollingBack"],
  ];
  it.each(ways)("that fails while %s is %s (U3)", (step, end) => {
    const failed = advanceSwap(journalAt(step), FAILED, 9);

    expect(failed).toMatchObject({ step: end, reason: "it broke" });
  });

  it.each(["committed", "rolledBack", "abandoned"] as const)("that is %s stays so (U5)", (step) => {
    for (const event of [...GOOD, FAILED]) expect(() => advanceSwap(journalAt(step), event, 9)).toThrow(/U[15]/);
  });

  it("moves links, commits and goes back only along the permitted ways, whatever happens (U1, U2)", () => {
    const events = fc.array(
      fc.constantFrom<SwapEvent>(...GOOD, FAILED, { kind: "starting" }, { kind: "returned", remark: "r" }),
    );
    fc.assert(
      fc.property(events, (history) => {
        let journal = beginSwap(ORDER, 0);
        for (const event of history) {
          try {
            journal = advanceSwap(journal, event, 1);
          } catch {
            continue; // Not permitted here; the next one may be.
          }
          expect(readJournal(writeJournal(journal))).toEqual(journal);
        }
        const passed = new Set(journal.steps.map(({ step }) => step));
        const both = passed.has("switching") || passed.has("rollingBack");
        expect(both && !passed.has("draining")).toBe(false);
        expect(passed.has("committed") && !passed.has("probation")).toBe(false);
        expect(passed.has("rolledBack") && !passed.has("rollingBack")).toBe(false);
      }),
    );
  });

  it("keeps its journal bounded, also when a release is started for ever", () => {
    let journal = journalAt("starting");
    for (let boots = 0; boots < 2_000; boots += 1) journal = advanceSwap(journal, { kind: "starting" }, boots);
    journal = advanceSwap(journal, { kind: "failed", reason: "x".repeat(1_000_000) }, 1);

    expect(writeJournal(journal).length).toBeLessThan(10_000);
    expect(readJournal(writeJournal(journal))).toEqual(journal);
    expect(journal.steps[0]).toEqual({ step: "staged", atMs: 1 });
  });

  it.each([
    "",
    "{}",
    "[]",
    "null",
    `${writeJournal(journalAt("starting"))}x`,
    writeJournal(journalAt("starting")).slice(0, 80),
  ])("is not read from %j", (text) => {
    expect(readJournal(text)).toBeUndefined();
  });

  it("leaves a row that is read back, beside lines that are none", () => {
    const row = rowOfJournal(journalAt("rolledBack"), [{ name: "signature", ok: true, detail: "by key a" }], 99);

    expect(row).toMatchObject({ result: "rolledBack", reason: "it broke", endedAtMs: 99 });
    expect(readHistory(`{"id":"cut\n\n${writeHistoryRow(row)}\n{"id"`)).toEqual([row]);
  });
});

/** What is on the disk, each change of it in one step: the process may end between any two. */
type Disk = {
  current: Version | null;
  previous: Version | null;
  runnable: Version[];
  journal: Journal | null;
  rows: string[];
  floor: Version | null;
};

class Crash extends Error {}

class Machine {
  readonly disk: Disk = {
    current: OLD,
    previous: OLDER,
    runnable: [OLDER, OLD],
    journal: null,
    rows: [],
    floor: null,
  };
  #left: number;

  constructor(stepsUntilCrash: number) {
    this.#left = stepsUntilCrash;
  }

  rearm(steps: number): void {
    this.#left = steps;
  }

  change(act: (disk: Disk) => void): void {
    if (this.#left === 0) throw new Crash();
    this.#left -= 1;
    act(this.disk);
    const { current, runnable } = this.disk;
    if (current === null || !runnable.includes(current)) throw new Error(`V1: current is ${current ?? "nothing"}`);
  }

  #write(journal: Journal): Journal {
    this.change((disk) => {
      disk.journal = journal;
    });
    return journal;
  }

  links(current: Version | null, previous: Version | null): void {
    this.change((disk) => {
      disk.current = current;
    });
    this.change((disk) => {
      disk.previous = previous;
    });
  }

  #close(journal: Journal): void {
    this.change((disk) => {
      if (journal.step === "committed") disk.floor = journal.minimumVersion;
    });
    this.change((disk) => {
      if (!disk.rows.includes(journal.id)) disk.rows.push(journal.id);
    });
    this.change((disk) => {
      disk.journal = null;
    });
  }

  facts(): RecoveryFacts {
    return { ...this.disk, maxBoots: MAX_BOOTS };
  }

  /** The shell's loop. @param failing the effect that fails. */
  drive(start: Journal, failing: string): void {
    let journal = start;
    for (;;) {
      const effect = dueEffect(journal.step);
      if (effect === "close") return this.#close(journal);
      let event: SwapEvent = FAILED;
      if (effect === "goBack") {
        const plan = planRecovery(journal, this.facts(), 5);
        this.links(plan.current, plan.previous);
        event = { kind: "returned", remark: null };
      } else if (effect !== failing) {
        if (effect === "verify") {
          this.change((disk) => {
            disk.runnable.push(NEW);
          });
        }
        if (effect === "switch") {
          this.change((disk) => {
            disk.previous = OLD;
          });
          this.change((disk) => {
            disk.current = NEW;
          });
        }
        event = GOOD[SWAP_STEPS.indexOf(journal.step)] ?? FAILED;
      }
      journal = this.#write(advanceSwap(journal, event, 5));
    }
  }

  begin(failing: string): void {
    this.drive(this.#write(beginSwap(ORDER, 1)), failing);
  }

  /** A start of the watchdog. */
  recover(failing: string): void {
    const plan = planRecovery(this.disk.journal, this.facts(), 5);
    if (plan.journal !== null) this.#write(plan.journal);
    this.links(plan.current, plan.previous);
    if (plan.journal !== null) this.drive(plan.journal, failing);
  }
}

describe("a start after a crash", () => {
  const effects = ["none", "verify", "selftest", "announce", "drain", "switch", "start", "watch"];

  it("always finds a release that can run, and ends the swap whatever cut it short, again and again (V1, V2, V3)", () => {
    const crashes = fc.array(fc.nat(12), { maxLength: 6 });
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.nat(40), crashes, fc.constantFrom(...effects), (first, later, failing) => {
        const machine = new Machine(first);
        const untilCrash = (act: () => void): void => {
          try {
            act();
          } catch (error) {
            if (!(error instanceof Crash)) throw error;
          }
        };
        untilCrash(() => machine.begin(failing));
        for (const steps of later) {
          machine.rearm(steps);
          untilCrash(() => machine.recover(failing));
        }
        machine.rearm(1_000);
        machine.recover(failing);

        const { current, previous, journal, rows, floor } = machine.disk;
        expect(journal).toBeNull();
        expect(rows.length).toBeLessThanOrEqual(1);
        // Either all of it or nothing of it.
        expect([
          [OLD, OLDER, null],
          [NEW, OLD, OLD],
        ]).toContainEqual([current, previous, floor]);
        expect(failing !== "none" && current !== OLD).toBe(false);
        seen.add(`${current ?? ""} ${rows.length}`);
      }),
      { numRuns: 2_000 },
    );
    expect([...seen].sort()).toEqual([`${OLD} 0`, `${OLD} 1`, `${NEW} 1`].sort());
  });

  const facts: RecoveryFacts = {
    current: NEW,
    previous: OLD,
    runnable: [OLDER, OLD, NEW],
    floor: null,
    maxBoots: MAX_BOOTS,
  };
  const rows: readonly (readonly [
    string,
    Journal | null,
    Partial<RecoveryFacts>,
    Partial<ReturnType<typeof planRecovery>>,
  ])[] = [
    ["without a swap", null, { current: OLD, previous: OLDER }, { current: OLD, previous: OLDER, then: "nothing" }],
    [
      "without links, after the first release was copied",
      null,
      { current: null, previous: null },
      { current: NEW, then: "nothing" },
    ],
    ["whose current is damaged", null, { runnable: [OLDER, OLD] }, { current: OLD, previous: null, then: "nothing" }],
    ["with nothing that can run", null, { runnable: [] }, { current: null, then: "nothing" }],
    [
      "with nothing linked but what the floor forbids",
      null,
      { current: null, previous: null, runnable: [OLD], floor: NEW },
      { current: null },
    ],
    ["while selftested", journalAt("selftested"), { current: OLD, previous: OLDER }, { current: OLD, then: "close" }],
    [
      "while draining",
      journalAt("draining"),
      { current: OLD, previous: OLDER },
      { current: OLD, previous: OLDER, then: "goBack" },
    ],
    [
      "while switching, before current",
      journalAt("switching"),
      { current: OLD },
      { current: OLD, previous: OLDER, then: "goBack" },
    ],
    ["while switching, after current", journalAt("switching"), {}, { current: NEW, previous: OLD, then: "goOn" }],
    ["on probation", journalAt("probation"), {}, { current: NEW, then: "goOn" }],
    [
      "on probation, the new release gone",
      journalAt("probation"),
      { runnable: [OLDER, OLD] },
      { current: OLD, then: "goBack" },
    ],
    [
      "on probation, its starts used up",
      { ...journalAt("probation"), boots: MAX_BOOTS },
      {},
      { current: OLD, previous: OLDER, then: "goBack" },
    ],
    [
      "on probation, starts used up and the old release gone",
      { ...journalAt("probation"), boots: MAX_BOOTS },
      { runnable: [NEW] },
      { current: NEW, then: "goBack" },
    ],
    ["after it was committed", journalAt("committed"), {}, { current: NEW, previous: OLD, then: "close" }],
  ];
  it.each(rows)("%s", (_what, journal, change, expected) => {
    expect(planRecovery(journal, { ...facts, ...change }, 5)).toMatchObject(expected);
  });

  it("counts the start that it is about to make (U4)", () => {
    const { journal } = planRecovery(journalAt("probation"), facts, 5);

    expect(journal).toMatchObject({ step: "starting", boots: 2 });
  });
});

describe("probation", () => {
  const healthy: Health = { ok: true, fault: null, boots: 1, requests: 1_000, serverErrors: 0 };
  const { windowMs, maxBoots, minRequests } = PROBATION;
  const verdicts: readonly (readonly [string, Partial<Health>, number, string])[] = [
    ["healthy within the window", {}, windowMs - 1, "goOn"],
    ["healthy at its end", {}, windowMs, "commit"],
    ["never asked anything", { requests: 0 }, windowMs, "commit"],
    ["being started again", { ok: false, boots: 2 }, 1, "goOn"],
    ["not ready at the end", { ok: false }, windowMs, "rollBack"],
    ["at its last permitted start", { boots: maxBoots }, windowMs, "commit"],
    ["started once too often", { boots: maxBoots + 1 }, 1, "rollBack"],
    ["with a fault for good", { fault: "its heartbeat stopped" }, 1, "rollBack"],
    ["failing as many requests as are allowed", { serverErrors: 50 }, windowMs, "commit"],
    ["failing one more", { serverErrors: 51 }, 1, "rollBack"],
    ["failing all of too few requests", { requests: minRequests - 1, serverErrors: minRequests - 1 }, 1, "goOn"],
  ];
  it.each(verdicts)("of a release that is %s", (_what, change, elapsedMs, kind) => {
    expect(judgeProbation({ ...healthy, ...change }, elapsedMs, PROBATION).kind).toBe(kind);
  });
});
