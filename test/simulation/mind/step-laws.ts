/**
 * What must hold of every single step of the mind, FSM1 to FSM11, told without the code that decides: the laws have a
 * table, levels and limits of their own reckoning.
 */
import {
  apply,
  decodeEntry,
  decodeMind,
  type Entry,
  encodeEntry,
  encodeMind,
  type FsmState,
  type Mind,
  type MindStep,
  replay,
} from "../../../src/fsm/index.ts";
import { diligence } from "./diligence.ts";
import { above, isHandedOver, isSick, leastMs, type Seen } from "./seen.ts";
import { holds } from "./violation.ts";

type Changed = Extract<Entry, { kind: "changed" }>;

/** Every way that the mind may go by itself. Without resting there is no cycle in it. */
const WAYS: Readonly<Record<FsmState, readonly FsmState[]>> = {
  resting: ["executing", "improving", "contemplating", "healing"],
  executing: ["resting", "healing"],
  improving: ["resting", "healing", "executing", "contemplating"],
  contemplating: ["resting", "healing", "executing"],
  healing: ["resting"],
};

/** Throws a Violation unless the step keeps every rule. */
export function checkStep(seen: Seen): void {
  const { before, event, result } = seen;
  if (result.entries.length === 0) {
    holds(result.mind === before, "FSM6: without an entry nothing changes");
    holds(result.effects.length === 0, "FSM6: without an entry there is no effect");
  } else checkEntries(seen);
  checkAnswer(seen);
  if (event.kind === "tick") {
    checkTick(seen);
    diligence(seen);
  }
}

/** FSM1, FSM6 and what may stand beside what. */
export function checkShape(mind: Mind): void {
  const isActive = mind.state !== "resting";
  holds(Object.hasOwn(WAYS, mind.state), "FSM1: it is in one of the five states");
  holds(isActive === (mind.deadlineMs !== null), "FSM2: every state but resting has a deadline");
  holds(!(isActive && mind.pause !== null), "FSM9: paused it rests");
  holds(!(isActive && mind.hold !== null), "FSM9: on hold it rests");
}

function checkEntries({ before, nowMs, result, rules }: Seen): void {
  let mind = before;
  for (const entry of result.entries) {
    holds(entry.seq === mind.seq + 1, "FSM6: entries are numbered without gaps");
    holds(entry.atMs === nowMs, "FSM10: an entry is of now, and now is not before the last one");
    mind = apply(mind, entry);
    checkShape(mind); // a crash between two entries leaves this
  }
  const last = result.entries.at(-1);
  if (last?.kind === "changed") holds(result.mind.state === last.to, "FSM1: it is where its last entry says");
  const { healing } = rules.settings;
  const running = result.mind.treatments.filter(({ verdict }) => verdict === null).length;
  holds(running <= Math.max(healing.atOnce, underWay(before)), "FSM8: no more remediations at once than allowed");
}

/** FSM6 */
export function checkReplay(before: Mind, { mind, entries }: MindStep): void {
  same(replay(before, entries), mind, "FSM6: the same journal gives the same mind");
}

/** The same through the store: every entry, and the mind as a whole, are read back as they were. */
export function checkText({ before, result }: Seen): void {
  const read = result.entries.map((entry) => decodeEntry(encodeEntry(entry)));
  const entries = read.flatMap((each) => (each.ok ? [each.value] : []));
  holds(entries.length === read.length, "FSM6: what was written can be read");
  const start = decodeMind(encodeMind(before));
  holds(start.ok, "FSM6: a mind that was written can be read");
  same(replay(start.value, entries), result.mind, "FSM6: the same journal gives the same mind, also from its text");
}

function checkAnswer({ before, event, result }: Seen): void {
  const { mind, entries, refusal } = result;
  if (refusal !== null) {
    holds(mind === before && event.kind !== "tick", "FSM1: what is refused changes nothing, and a tick is not refused");
    return;
  }
  const by = "by" in event ? event.by : "mind";
  holds(
    entries.every((entry) => entry.by === by),
    "FSM6: an entry says whose it is",
  );
  switch (event.kind) {
    case "pause":
      holds(mind.pause?.by === by && before.pause === null, "FSM9: a pause is kept with who asked for it");
      return;
    case "resume":
      holds(before.pause !== null && mind.pause === null, "FSM9: a pause ends when it is resumed");
      return;
    case "force":
      holds(mind.state === event.to && before.state !== event.to, "FSM1: a forced state is entered, once");
      holds(before.pause === null && before.hold === null, "FSM9: paused or on hold nothing is forced");
      return;
    case "release":
      holds(before.hold !== null && mind.hold === null, "FSM3: a hold ends when it is released");
      return;
    case "stoodStill":
      holds(mind.state === before.state && mind.sinceMs === before.sinceMs, "FSM2: standing still changes no state");
      holds(
        (mind.deadlineMs ?? 0) - (before.deadlineMs ?? 0) <= Math.max(0, event.missedMs),
        "FSM2: a deadline is put off by the gap",
      );
      return;
    case "tick":
  }
}

function checkTick(seen: Seen): void {
  const { before, nowMs, result } = seen;
  const changes = result.entries.filter((entry): entry is Changed => entry.kind === "changed");
  holds(changes.length <= 1, "FSM4: a tick changes the state once at most");
  for (const entry of result.entries) checkQuiet(seen, entry);
  for (const change of changes) checkChange(seen, change);
  for (const entry of result.entries) {
    if (entry.kind === "treated") checkTreatment(seen, entry);
    if (entry.kind === "judged") checkVerdict(seen, entry);
  }
  const isOver = before.deadlineMs !== null && nowMs >= before.deadlineMs;
  if (isOver) holds(changes.length === 1, "FSM2: at its deadline a state ends");
}

/** FSM9 */
function checkQuiet(seen: Seen, entry: Entry): void {
  const { before, nowMs } = seen;
  if (entry.kind === "resumed") {
    const untilMs = before.pause?.untilMs ?? Infinity;
    holds(nowMs >= untilMs, "FSM9: a pause ends by itself at its end alone");
    return;
  }
  if (before.pause !== null) {
    holds(entry.kind === "judged", "FSM9: paused it begins nothing");
    return;
  }
  if (before.hold === null) return;
  const { retryAtMs } = before.hold;
  const mayTry = entry.kind === "released" && entry.isRetry && retryAtMs !== null && nowMs >= retryAtMs;
  if (entry.kind === "holdOver") {
    const { facts, rules } = seen;
    holds(facts.wellForMs >= rules.settings.healing.againMs, "FSM11: a hold is over when all was well for a while");
    holds(
      above(facts, rules).every((kind) => isHandedOver(seen, kind)),
      "FSM11: a hold is not over while something is wrong",
    );
    return;
  }
  holds(
    entry.kind === "judged" || mayTry,
    "FSM3: a hold ends by itself when it is to be tried again, and begins nothing",
  );
}

function checkChange(seen: Seen, change: Changed): void {
  const { before, nowMs, rules, result } = seen;
  const { settings } = rules;
  holds(
    change.from === before.state && WAYS[before.state].includes(change.to),
    "FSM1: it goes only the ways of the table",
  );
  holds(
    nowMs - before.sinceMs >= leastMs(before.state, change.to, settings),
    "FSM4: a state is kept for its dwell time",
  );
  const effects = result.effects.map((effect) =>
    effect.kind === "begin" || effect.kind === "end" ? `${effect.kind} ${effect.state}` : effect.kind,
  );
  holds(
    change.from === "resting" || effects.includes(`end ${change.from}`),
    "FSM2: the activity of a state that ends is ended",
  );
  holds(
    change.to === "resting" || effects.includes(`begin ${change.to}`),
    "FSM2: the activity of a state that begins is begun",
  );
  if (change.to !== "resting") checkEntrance(seen, change.to);
  if (change.to === "healing") holds(isSick(seen.facts, rules), "FSM4: healing begins at the upper threshold");
  if (change.cause === "recovered")
    holds(above(seen.facts, rules).length === 0, "FSM4: healing is over below the lower threshold");
  if (change.from === "healing") checkHealed(seen, change);
  if (change.cause === "deadline") {
    const isCritical = result.effects.some((each) => each.kind === "alert" && each.severity === "critical");
    holds(before.deadlineMs !== null && nowMs >= before.deadlineMs, "FSM2: no deadline comes early");
    holds(
      change.to === "resting" && effects.includes("alert"),
      "FSM2: at its deadline a state gives way to rest, and an alert says so",
    );
    holds(
      isCritical === (change.from === "healing"),
      "FSM3: healing that takes too long is a critical alert, nothing else is",
    );
  }
}

/** FSM3: what did not help is followed by a rest, or by the hold. */
function checkHealed({ nowMs, rules, result }: Seen, { cause, hold }: Changed): void {
  const isFruitless = cause === "exhausted" || cause === "deadline";
  holds(
    result.mind.healAgainMs >= nowMs + Math.min(rules.settings.healing.againMs, rules.settings.healing.maxRestMs),
    "FSM3: between two episodes is a rest",
  );
  if (hold !== null)
    holds(isFruitless && result.effects.some(({ kind }) => kind === "askPerson"), "FSM3: a hold asks for a person");
}

/** FSM5: the measure falls with each entry, and rises only with a new period. */
function checkEntrance({ before, nowMs, rules, result }: Seen, to: Exclude<FsmState, "resting">): void {
  const { pace, entriesPerPeriod } = rules.settings;
  const { period } = result.mind;
  holds(nowMs >= before.restUntilMs, "FSM3: after healing that did not help it rests");
  if (to === "healing") {
    const { healing, deadlineMs } = rules.settings;
    const healedMs = before.episodes.reduce((sum, { startedMs, endedMs }) => {
      return sum + Math.max(0, endedMs - Math.max(startedMs, nowMs - healing.windowMs));
    }, 0);
    holds(nowMs >= before.healAgainMs, "FSM3: episodes of healing have a time between them");
    holds(
      healedMs + deadlineMs.healing <= (healing.windowMs * healing.sharePercent) / 100,
      "FSM3: an episode begins only where its window has room for all of it",
    );
  }
  if (period.sinceMs === before.period.sinceMs) {
    holds(
      period.entries[to] === before.period.entries[to] + 1,
      "FSM5: an entry takes one of the entries of the period",
    );
  } else {
    holds(nowMs - before.period.sinceMs >= pace.periodMs, "FSM5: a period has its length");
    holds(period.sinceMs === nowMs && period.entries[to] === 1, "FSM5: a new period begins with its first entry");
  }
  holds(period.entries[to] <= entriesPerPeriod[to], "FSM5: a state is entered no more often than allowed");
}

function checkTreatment(seen: Seen, entry: Extract<Entry, { kind: "treated" }>): void {
  const { before, facts, rules, result, nowMs } = seen;
  holds(
    before.state === "healing" && result.mind.state === "healing",
    "FSM8: a remediation is begun only while healing",
  );
  holds(
    before.deadlineMs !== null && nowMs < before.deadlineMs,
    "FSM8: a remediation is begun only before the deadline",
  );
  const row = rules.remediations.find(({ fault, name }) => fault === entry.fault && name === entry.remediation);
  const fault = facts.faults.find(({ kind, target }) => kind === entry.fault && target === entry.target);
  holds(row !== undefined, "FSM8: only what the catalogue has for the fault is done");
  holds(fault !== undefined && above(facts, rules).includes(entry.fault), "FSM4: only what is wrong is treated");
  holds(!row.mayInterrupt || fault.healthyAttempts === 0, "FSM7: a healthy attempt is not interrupted");
  holds(entry.onlyIfIdle === row.mayInterrupt, "FSM7: what may interrupt says so");
  holds(row.needs === null || facts.means.includes(row.needs), "FSM8: only what this fleet has is used");
  holds(!row.costs || facts.budgetLeftPercent.healing > 0, "FSM8: what costs needs a budget");
  const effects = result.effects.filter((each) => each.kind === "treat" && each.treatment === entry.seq);
  holds(effects.length === 1, "FSM8: one entry, one treatment");
  const judged = new Set(result.entries.map((each) => (each.kind === "judged" ? each.treatment : 0)));
  const isHeld = before.treatments.some(
    ({ id, fault: kind, target, verdict }) =>
      kind === entry.fault && target === entry.target && verdict === null && !judged.has(id),
  );
  holds(!isHeld, "FSM8: one remediation at a time for a fault of a target");
}

function checkVerdict({ before, facts, rules, nowMs }: Seen, entry: Extract<Entry, { kind: "judged" }>): void {
  const treatment = before.treatments.find(({ id }) => id === entry.treatment);
  holds(treatment !== undefined && treatment.verdict === null, "FSM8: a treatment is judged once");
  const level =
    facts.faults.find(({ kind, target }) => kind === treatment.fault && target === treatment.target)?.level ?? 0;
  const isWell = level <= rules.settings.leaveAt[treatment.fault];
  holds((entry.verdict === "worked") === isWell, "FSM8: it worked when the fault is gone");
  holds(isWell || nowMs >= treatment.untilMs, "FSM8: a treatment has its time");
  if (entry.verdict === "helped") holds(level < treatment.levelBefore, "FSM8: it helped when the level is lower");
}

function underWay(mind: Mind): number {
  return mind.treatments.filter(({ verdict }) => verdict === null).length;
}

function same(actual: Mind, expected: Mind, rule: string): void {
  holds(Bun.deepEquals(actual, expected, true), rule);
}
