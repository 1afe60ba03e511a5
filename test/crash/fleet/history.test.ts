/** The checks of a fleet's histories find each kind of breach, and nothing in a history that is whole. */
import { describe, expect, it } from "vitest";
import { type FleetEvidence, fenceText, type History, judge } from "./history.ts";

function claim(seq: number, taskId: string, epoch: number, fence: number, node = "n_a"): History["claims"][number] {
  return { seq, taskId, atMs: seq, node, epoch, fence };
}

function passed(taskId: string, n: number, epoch: number, fence: number): History["passed"][number] {
  return { taskId, n, epoch, fence, printed: `${taskId} ${n} ${fenceText(epoch, fence)}\n` };
}

/** Claimed twice, the second time by another node; ended by the second. */
const WHOLE: History = {
  integrity: "ok",
  tasks: [{ id: "t_1", state: "done" }],
  passed: [passed("t_1", 1, 1, 2)],
  claims: [claim(1, "t_1", 1, 1), claim(2, "t_1", 1, 2, "n_b")],
};

function evidence(over: Partial<FleetEvidence> = {}): FleetEvidence {
  return {
    last: WHOLE,
    former: new Map(),
    accepted: [{ id: "t_1", title: "a-1", expected: "done", writes: true, site: "a" }],
    lines: new Map([["a-1", [`t_1 1 ${fenceText(1, 1)}`, `t_1 1 ${fenceText(1, 2)}`]]]),
    ...over,
  };
}

describe("the history of a fleet", () => {
  it("that is whole breaks nothing", () => {
    expect(judge(evidence())).toEqual({ violations: [], quarantined: [], superseded: 0 });
  });

  it.each<[string, RegExp, Partial<FleetEvidence>]>([
    ["a task that was accepted is nowhere", /^lost/, { last: { ...WHOLE, tasks: [] } }],
    ["a database is damaged", /^damaged/, { last: { ...WHOLE, integrity: "row 7 missing" } }],
    [
      "a task is ended by the report of the attempt before, under the same number",
      /^stale report/,
      { last: { ...WHOLE, passed: [{ ...passed("t_1", 1, 1, 2), printed: passed("t_1", 1, 1, 1).printed }] } },
    ],
    ["a task is ended by an attempt that wrote nothing", /^no run/, { lines: new Map() }],
    [
      "a later claim has a smaller fence",
      /^fences: t_1 got/,
      { last: { ...WHOLE, claims: [claim(1, "t_1", 1, 2), claim(2, "t_1", 1, 1)] } },
    ],
    [
      "two hubs gave one fence to two nodes",
      /^fences: \(1, 3\) was given/,
      {
        last: { ...WHOLE, claims: [...WHOLE.claims, claim(3, "t_2", 1, 3, "n_b")] },
        former: new Map([["a", [{ ...WHOLE, claims: [...WHOLE.claims, claim(3, "t_3", 1, 3, "n_a")] }]]]),
      },
    ],
  ])("shows that %s", (_name, shows, over) => {
    expect(judge(evidence(over)).violations).toEqual([expect.stringMatching(shows)]);
  });

  it("that another hub took up has fences of a higher epoch, and may lack what the first one had", () => {
    const former: History = {
      ...WHOLE,
      tasks: [...WHOLE.tasks, { id: "t_2", state: "done" }],
      passed: [...WHOLE.passed, passed("t_2", 1, 1, 3)],
      claims: [...WHOLE.claims, claim(3, "t_2", 1, 3)],
    };
    const last: History = {
      ...WHOLE,
      tasks: [...WHOLE.tasks, { id: "t_3", state: "done" }],
      passed: [...WHOLE.passed, passed("t_3", 1, 2, 3)],
      claims: [...WHOLE.claims, claim(3, "t_3", 2, 3)],
    };
    const onHub = { id: "t_2", title: "hub-1", expected: "done", writes: false, site: "hub" } as const;
    const found = judge(
      evidence({ last, former: new Map([["hub", [former]]]), accepted: [...evidence().accepted, onHub] }),
    );

    expect(found).toEqual({ violations: [], quarantined: ["t_2"], superseded: 1 });
  });

  it("lacks what a member accepted although it lies in the quarantine of another node: that is a loss", () => {
    const former = new Map([["hub", [{ ...WHOLE, tasks: [{ id: "t_2", state: "ready" }] }]]]);
    const onMember = { id: "t_2", title: "b-1", expected: "done", writes: false, site: "b" } as const;

    const found = judge(evidence({ former, accepted: [...evidence().accepted, onMember] }));

    expect(found.violations).toEqual([expect.stringMatching(/^lost: b-1/)]);
  });
});
