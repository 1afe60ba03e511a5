import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createIdFactory, err, type Failure, ok, refused, retryable, SimulatedClock, seededRandom } from "#base";
import {
  entryOf,
  foldersToDelete,
  type OwnEvent,
  type QuarantineFolder,
  type Resend,
  settlementOf,
  TELLING_EVENTS,
} from "#fleet";
import { attemptReport, newTask } from "../../support/queue-world.ts";

const ids = createIdFactory(new SimulatedClock(), seededRandom(8));
const [SELF, OTHER, TASK] = [ids.node(), ids.node(), ids.task()];

const EVENT: OwnEvent = {
  seq: 7,
  atMs: 1,
  kind: "task.submitted",
  taskId: TASK,
  state: "ready",
  attempt: null,
  isScheduled: false,
  isOwnTask: false,
};

describe("what an event of a superseded hub leaves to be done", () => {
  it.each<[string, Partial<OwnEvent>, string | undefined]>([
    ["a submission is sent", {}, "submission waiting"],
    ["one that was cancelled is not", { state: "cancelled" }, "submission left"],
    ["one that is gone is not", { state: null }, "submission left"],
    ["one of a schedule is not", { isScheduled: true }, "submission left"],
    ["the end of an attempt is sent", { kind: "task.done", attempt: { n: 1, node: SELF } }, "completion waiting"],
    ["so is one that is retried", { kind: "task.retry", attempt: { n: 1, node: SELF } }, "completion waiting"],
    ["that of another node is sent by that", { kind: "task.done", attempt: { n: 1, node: OTHER } }, "completion left"],
    ["a task that died of another one follows from it", { kind: "task.dead" }, undefined],
    ["what a person changed is shown", { kind: "task.cancelled" }, "change refused"],
    ["but not of a task that nobody else knows", { kind: "task.cancelled", isOwnTask: true }, undefined],
    ["a change of the queue is shown", { kind: "queue.paused", taskId: null, isOwnTask: true }, "change refused"],
    ["R2: a claim is nothing", { kind: "task.started" }, undefined],
    ["R2: progress is nothing", { kind: "task.progress" }, undefined],
  ])("%s", (_name, event, expected) => {
    const entry = entryOf({ ...EVENT, ...event }, SELF);

    expect(entry && `${entry.kind} ${entry.outcome}`).toBe(expected);
  });

  it("R2: claims, leases and progress are not even read", () => {
    const never = ["task.started", "task.progress", "task.ready", "task.released", "attempt.orphaned"];

    expect(TELLING_EVENTS.filter((kind) => never.includes(kind))).toEqual([]);
  });
});

const SUBMIT: Resend = { kind: "submit", task: newTask(TASK) };
const FINISH: Resend = { kind: "finish", taskId: TASK, fence: { epoch: 1, n: 1 }, report: attemptReport() };

describe("what follows from an answer of the new hub", () => {
  const refusal = (code: Failure["code"]) => err(refused(code, "no"));

  it.each<[string, Resend, Parameters<typeof settlementOf>[1], boolean, string]>([
    ["none: it waits", SUBMIT, undefined, false, "later"],
    ["created: accepted", SUBMIT, ok([{ id: TASK, created: true }]), false, "accepted"],
    ["there already: accepted", SUBMIT, ok([{ id: TASK, created: false }]), false, "accepted"],
    ["the key names another: accepted", SUBMIT, ok([{ id: ids.task(), created: false }]), false, "accepted"],
    ["away: it waits", SUBMIT, err(retryable("unavailable", "away")), false, "later"],
    ["full: again under another id", SUBMIT, refusal("limit"), false, "again"],
    ["before its dependency: again", SUBMIT, refusal("invalid"), true, "again"],
    ["not to be had: refused", SUBMIT, refusal("invalid"), false, "refused"],
    ["applied: accepted", FINISH, ok({ kind: "applied", state: "done" }), false, "accepted"],
    ["applied before: accepted", FINISH, ok({ kind: "duplicate", state: "done" }), false, "accepted"],
    ["stale: superseded", FINISH, ok({ kind: "stale" }), false, "superseded"],
    ["held by another node: superseded", FINISH, refusal("stale_fence"), false, "superseded"],
  ])("%s", (_name, resend, answer, isHeldUp, expected) => {
    const settlement = settlementOf(resend, answer, isHeldUp);

    expect(settlement.kind === "settled" ? settlement.outcome : settlement.kind).toBe(expected);
  });
});

describe("which folders make room by themselves", () => {
  const counts = fc.record({
    waiting: fc.nat({ max: 1 }),
    accepted: fc.nat(),
    superseded: fc.nat(),
    left: fc.nat(),
    refused: fc.nat({ max: 1 }),
  });
  const state = fc.constantFrom<QuarantineFolder["state"]>("reading", "sending", "settled", "settled", "foreign");
  const folder = fc.record({ atMs: fc.nat(), bytes: fc.nat({ max: 3e9 }), state, counts });
  const folders = fc
    .uniqueArray(folder, { maxLength: 12, selector: ({ atMs }) => atMs })
    .map((all) => all.map((each): QuarantineFolder => ({ ...each, name: `at ${each.atMs}`, epoch: 1, note: null })));

  it("R3: never one that is not settled or has something to be looked at, and the newest stay within three and 4 GiB", () => {
    fc.assert(
      fc.property(folders, (all) => {
        const deleted = new Set(foldersToDelete(all));
        const kept = all.filter((each) => !deleted.has(each));
        const isOver = ({ state, counts }: QuarantineFolder): boolean =>
          state === "settled" && counts.waiting === 0 && counts.refused === 0;
        const settled = kept.filter(isOver);

        expect([...deleted].every(isOver)).toBe(true);
        expect(settled.length).toBeLessThanOrEqual(3);
        expect(settled.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(4 * 1024 ** 3);
        const oldestKept = Math.min(...settled.map(({ atMs }) => atMs));
        expect([...deleted].every(({ atMs }) => atMs < oldestKept)).toBe(true);
      }),
    );
  });
});
