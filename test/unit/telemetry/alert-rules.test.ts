import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom, silentLogger } from "#base";
import {
  AlertBook,
  MemoryAlertStore,
  type Readings,
  RULE_NAMES,
  RULES,
  RuleWatch,
  ruleFault,
  rulesWith,
} from "#telemetry";
import {
  CALM,
  type Condition,
  MAX_GAP_MS,
  stepCondition,
  type Thresholds,
} from "../../../src/telemetry/alerts/condition.ts";

const AT: Thresholds = { warnAt: 50, criticalAt: 90, clearAt: 25, forMs: 30_000, clearForMs: 60_000 };
const LOOK_MS = 15_000;

/** Looks every 15 seconds. @returns what was held after each look. */
function heldBy(values: readonly (number | null)[], at = AT): readonly Condition["held"][] {
  let condition = CALM;
  return values.map((value, index) => {
    condition = stepCondition(condition, value, at, index * LOOK_MS);
    return condition.held;
  });
}

describe("a condition", () => {
  it("AC1: begins after its time above the threshold, and not when it fell below meanwhile", () => {
    expect(heldBy([60, 60, 60])).toEqual([null, null, "warning"]);
    expect(heldBy([60, 49, 60, 60])).toEqual([null, null, null, null]);
    expect(heldBy([95, 60, 95, 95, 95]).at(-1)).toBe("critical");
  });

  it("AC2, AC3: ends after its time at or below the lower threshold, and not in between", () => {
    expect(heldBy([60, 60, 60, 40, 30, 40, 30, 40, 30]).at(-1)).toBe("warning");
    expect(heldBy([60, 60, 60, 25, 25, 26, 25, 25, 25, 25]).at(-1)).toBe("warning");
    expect(heldBy([60, 60, 60, 25, 25, 25, 25, 25]).slice(-2)).toEqual(["warning", null]);
  });

  it("AC4: neither begins nor ends by what is not known, nor over a gap", () => {
    expect(heldBy([60, null, 60, 60]).at(-1)).toBeNull();
    expect(heldBy([60, 60, 60, 20, 20, null, 20, 20, 20]).at(-1)).toBe("warning");
    const first = stepCondition(CALM, 60, AT, 0);
    expect(stepCondition(first, 60, AT, MAX_GAP_MS + 1).held).toBeNull();
  });

  it("AC5: grows and does not fall back", () => {
    expect(heldBy([60, 60, 60, 95, 95, 95, 60, 60, 60, 60]).slice(-5)).toEqual(Array(5).fill("critical"));
  });

  it("AC1…AC5: hold over random figures, whose changes are then rare", () => {
    const seed = 20_261_127;
    const random = seededRandom(seed);
    for (let run = 0; run < 200; run += 1) {
      const values: (number | null)[] = [];
      for (let n = 0; n < 100; n += 1) values.push(random.next() < 0.05 ? null : Math.floor(random.next() * 130) - 10);
      const held = heldBy(values);
      let changes = 0;
      held.forEach((now, index) => {
        const before = held[index - 1] ?? null;
        if (now === before) return;
        changes += 1;
        const span = now === null ? AT.clearForMs : AT.forMs;
        const seen = values.slice(Math.max(0, index - span / LOOK_MS), index + 1);
        const isThere = (value: number | null): boolean => {
          if (value === null) return false;
          return now === null ? value <= AT.clearAt : value >= (now === "critical" ? 90 : 50);
        };
        expect(seen.length === span / LOOK_MS + 1 && seen.every(isThere), `seed ${seed}, run ${run}`).toBe(true);
        expect([before, now]).not.toEqual(["critical", "warning"]);
      });
      // A beginning, a worsening and an end take at least their times.
      expect(changes).toBeLessThanOrEqual(3 * Math.ceil((values.length * LOOK_MS) / (AT.forMs + AT.clearForMs)));
    }
  });
});

const nothing: Readings = Object.fromEntries(RULE_NAMES.map((name) => [name, {}])) as Readings; // `as`: every name

function world() {
  const clock = new SimulatedClock();
  const book = new AlertBook({ store: new MemoryAlertStore(), clock, logger: silentLogger });
  const heard: string[] = [];
  book.onChange(({ change, alert }) => heard.push(`${change} ${alert.key} ${alert.severity}`));
  const watch = (open: ConstructorParameters<typeof RuleWatch>[2] = []) => new RuleWatch(rulesWith({}), book, open);
  const look = (rules: RuleWatch, readings: Partial<Readings>, times = 1): void => {
    for (let n = 0; n < times; n += 1) {
      rules.look({ ...nothing, ...readings }, clock.monotonicMs());
      clock.advance(LOOK_MS);
    }
  };
  return { book, heard, watch, look };
}

describe("the rules", () => {
  it("raise once, say how it is now, and end by themselves", () => {
    const { book, heard, watch, look } = world();
    const rules = watch();

    look(rules, { disk: { "": { value: 91, says: "91 % of / are in use" } } }, 6);
    look(rules, { disk: { "": { value: 98, says: "98 % of / are in use" } } }, 6);
    expect(book.open()).toMatchObject([{ key: "disk", message: "98 % of / are in use. Free some space there" }]);
    look(rules, { disk: { "": { value: 40, says: "40 % of / are in use" } } }, 6);

    expect(heard).toEqual(["raised disk warning", "worsened disk critical", "resolved disk critical"]);
  });

  it("tell each budget apart, and end what is not read any more", () => {
    const { heard, watch, look } = world();
    const rules = watch();

    look(rules, { budget: { day: { value: 100, says: "a" }, hour: { value: 82, says: "b" } } });
    look(rules, { budget: { day: { value: 100, says: "a" } } });
    look(rules, {});

    expect(heard).toEqual([
      "raised budget:day critical",
      "raised budget:hour warning",
      "resolved budget:hour warning",
      "resolved budget:day critical",
    ]);
  });

  it("go on after a restart with what was raised before", () => {
    const { book, heard, watch, look } = world();
    book.raise({ key: "disk", severity: "warning", title: "", message: "", source: "rules" });
    const rules = watch([{ key: "disk", severity: "warning" }]);

    look(rules, { disk: { "": { value: 40, says: "" } } }, 4);
    expect(heard).toHaveLength(1);
    look(rules, { disk: { "": { value: 40, says: "" } } }, 2);

    expect(heard.at(-1)).toBe("resolved disk warning");
  });

  it("have thresholds that begin above where they end, and refuse others", () => {
    expect(RULE_NAMES.filter((name) => ruleFault(name, {}) !== undefined)).toEqual([]);
    expect(ruleFault("disk", { clear_at: 90 })).toContain("clear_at");
    expect(ruleFault("disk", { critical_at: 80 })).toContain("critical_at");
    expect(ruleFault("disk", { warn_at: null, critical_at: 95, clear_at: 93 })).toBeUndefined();
    expect(rulesWith({ disk: { enabled: false } }).map(({ name }) => name)).not.toContain("disk");
    expect(rulesWith({ disk: { warn_at: 95 } }).find(({ name }) => name === "disk")?.thresholds).toEqual({
      ...RULES.disk.thresholds,
      warnAt: 95,
    });
  });
});
