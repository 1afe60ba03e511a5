import { describe, expect, it } from "vitest";
import { createIdFactory, InvariantBroken, SimulatedClock, seededRandom } from "#base";
import { hasEnded, type TaskRow, violations } from "#queue";
import * as transition from "../../../src/queue/transition.ts";
import { newTask } from "../../support/queue-world.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(1));
const node = ids.node();
const waiting = transition.accepted(newTask(ids.task()), 1, 0, 1_000);
const ready = transition.ready(waiting, 1, true, 1_000);
const running = transition.started(ready, { epoch: 1, n: 1 }, node, 1_000);
const done = transition.ended(running, "done", null, 2_000);
const dead = transition.ended(running, "dead", { code: "terminal", text: "no" }, 2_000);
const cancelled = transition.ended(ready, "cancelled", { code: "cancelled", text: "no" }, 2_000);

describe("a sound row", () => {
  it.each([
    ["waiting", waiting],
    ["scheduled", transition.accepted(newTask(ids.task(), { runAtMs: 5_000 }), 1, 0, 1_000)],
    ["ready", ready],
    ["running", running],
    ["asked to stop", transition.cancelRequested(running)],
    ["back in the queue", transition.waiting(transition.attemptCounted(running), 9_000, "retry")],
    ["done", done],
    ["dead", dead],
    ["cancelled", cancelled],
  ])("has no violations when %s", (_what, row) => {
    expect(violations(row)).toEqual([]);
  });

  it("accepted for an instant that has passed does not wait for it", () => {
    const row = transition.accepted(newTask(ids.task(), { runAtMs: 999 }), 1, 0, 1_000);

    expect([row.wakeAtMs, row.wakeReason]).toEqual([null, null]);
  });

  it("forgets lease, wish to cancel and instants when it leaves running", () => {
    const back = transition.waiting(transition.cancelRequested(running), null, null);

    expect(back).toMatchObject({
      holder: null,
      startedAtMs: null,
      cancelRequested: false,
      endedAtMs: null,
      reason: null,
    });
  });
});

describe("a row that cannot be", () => {
  const broken: readonly (readonly [string, TaskRow, Partial<TaskRow>])[] = [
    ["Q1: a holder while running", running, { holder: null }],
    ["Q1: a holder while running", ready, { holder: node }],
    ["Q1: a start instant", running, { startedAtMs: null }],
    ["Q1: a fence while running", running, { fenceEpoch: 0 }],
    ["Q1: admitted only when ready", done, { admitted: true }],
    ["Q1: an end instant", done, { endedAtMs: null }],
    ["Q1: an end instant", ready, { endedAtMs: 5 }],
    ["Q1: a wake instant has a reason", waiting, { wakeAtMs: 5 }],
    ["Q1: only a waiting task wakes", ready, { wakeAtMs: 5, wakeReason: "retry" }],
    ["Q5: no open dependency", ready, { blockedBy: 1 }],
    ["Q1: only a running task is asked", ready, { cancelRequested: true }],
    ["Q4: attempts within", ready, { attempts: 4 }],
    ["Q1: a dead letter has a reason", dead, { reason: null }],
    ["Q1: a dead letter has a reason", done, { reason: { code: "terminal", text: "no" } }],
  ];

  it.each(broken)("is named: %s (%#)", (rule, row, change) => {
    const found = violations({ ...row, ...change });

    expect(found.join("; ")).toContain(rule);
  });

  it.each([
    ["ready with an open dependency", () => transition.ready({ ...waiting, blockedBy: 1 }, 1, true, 0)],
    ["started while held back", () => transition.started({ ...ready, admitted: false }, { epoch: 1, n: 2 }, node, 0)],
    [
      "started without an attempt left",
      () => transition.started({ ...ready, attempts: 3 }, { epoch: 1, n: 2 }, node, 0),
    ],
    ["started twice", () => transition.started(running, { epoch: 1, n: 2 }, node, 0)],
    ["counted past its limit", () => transition.attemptCounted({ ...running, attempts: 3 })],
    ["admitted when done", () => transition.admitted(done, true)],
    ["asked to stop when ready", () => transition.cancelRequested(ready)],
  ])("is not made: %s", (_what, make) => {
    expect(make).toThrow(InvariantBroken);
  });
});

describe("the ended states", () => {
  it("are done, dead and cancelled", () => {
    const rows = [waiting, ready, running, done, dead, cancelled];

    expect(rows.filter(hasEnded).map((row) => row.state)).toEqual(["done", "dead", "cancelled"]);
  });
});
