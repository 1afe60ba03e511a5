import { describe, expect, it } from "vitest";
import { type Evidence, type Violation, violationsOf } from "./checks.ts";

type Rows = Evidence["rows"];

const kinds = ["task.submitted", "task.started", "task.retry", "task.started", "task.done"];

/** One task that was lost once, then passed. */
const sound: Evidence = {
  accepted: [{ id: "t1", title: "work-1", expected: "done", writes: true }],
  lines: new Map([["work-1", ["t1 1", "t1 2"]]]),
  rows: {
    integrity: "ok",
    tasks: [{ id: "t1", title: "work-1", state: "done", attempts: 2, attemptLimit: 3 }],
    attempts: [
      { taskId: "t1", n: 1, outcome: "lost", epoch: 1, fence: 1 },
      { taskId: "t1", n: 2, outcome: "passed", epoch: 1, fence: 2 },
    ],
    events: kinds.map((kind, index) => ({ seq: index + 1, kind, taskId: "t1" })),
    dependencies: [],
    counters: { waiting: 0, ready: 0, running: 0, done: 1, dead: 0, cancelled: 0 },
  },
};

const withRows = (change: (rows: Rows) => Partial<Rows>): Evidence => ({
  ...sound,
  rows: { ...sound.rows, ...change(sound.rows) },
});
const withEvents = (...names: string[]): Evidence =>
  withRows(() => ({ events: names.map((kind, index) => ({ seq: index + 1, kind, taskId: "t1" })) }));

/** Each is one thing gone wrong. */
const faults: readonly { readonly what: string; readonly rule: Violation["rule"]; readonly evidence: Evidence }[] = [
  { what: "an accepted task that is gone", rule: "lost", evidence: withRows(() => ({ tasks: [] })) },
  {
    what: "an accepted task that never ended",
    rule: "unended",
    evidence: withRows(({ tasks }) => ({ tasks: tasks.map((task) => ({ ...task, state: "running" })) })),
  },
  {
    what: "a submission that became two tasks",
    rule: "repeated",
    evidence: withRows(({ tasks }) => ({ tasks: [...tasks, ...tasks.map((task) => ({ ...task, id: "t2" }))] })),
  },
  {
    what: "two passed attempts",
    rule: "applied twice",
    evidence: withRows(({ attempts }) => ({ attempts: attempts.map((one) => ({ ...one, outcome: "passed" })) })),
  },
  {
    what: "an attempt that ran twice",
    rule: "applied twice",
    evidence: { ...sound, lines: new Map([["work-1", ["t1 1", "t1 2", "t1 2"]]]) },
  },
  {
    what: "an attempt that passed and never ran",
    rule: "applied twice",
    evidence: { ...sound, lines: new Map([["work-1", ["t1 1"]]]) },
  },
  {
    what: "an attempt without its row",
    rule: "attempts",
    evidence: withRows(({ attempts }) => ({ attempts: attempts.slice(1) })),
  },
  {
    what: "more attempts than the limit",
    rule: "attempts",
    evidence: withRows(({ tasks }) => ({ tasks: tasks.map((task) => ({ ...task, attemptLimit: 1 })) })),
  },
  {
    what: "a fence given out twice",
    rule: "fences",
    evidence: withRows(({ attempts }) => ({ attempts: attempts.map((one) => ({ ...one, fence: 1 })) })),
  },
  { what: "a task that ended twice", rule: "history", evidence: withEvents(...kinds, "task.done") },
  {
    what: "a claim of a task that ran",
    rule: "history",
    evidence: withEvents("task.submitted", "task.started", "task.started", "task.retry", "task.done"),
  },
  { what: "an end without its event", rule: "history", evidence: withEvents(...kinds.slice(0, -1)) },
  {
    what: "a lost event",
    rule: "history",
    evidence: withRows(({ events }) => ({ events: events.map((one) => ({ ...one, seq: one.seq * 2 })) })),
  },
  {
    what: "a start before its dependency was done",
    rule: "order",
    evidence: withRows(() => ({ dependencies: [{ taskId: "t1", dependsOn: "t0" }] })),
  },
  {
    what: "a counter that is off",
    rule: "counters",
    evidence: withRows(({ counters }) => ({ counters: { ...counters, done: 2 } })),
  },
  { what: "a damaged database", rule: "damaged", evidence: withRows(() => ({ integrity: "page 3 is lost" })) },
];

describe("the count after a crash run", () => {
  it("finds nothing wrong with a sound history", () => {
    expect(violationsOf(sound)).toEqual([]);
  });

  it.each(faults)("finds $what", ({ rule, evidence }) => {
    expect(violationsOf(evidence).map((violation) => violation.rule)).toContain(rule);
  });
});
