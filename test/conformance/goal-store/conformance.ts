import { afterEach, describe, expect, test } from "vitest";
import { createIdFactory, type GoalId, SimulatedClock, seededRandom, type TaskId } from "#base";
import { failed, type Goal, type GoalStore, type GoalSubmission, type GoalTask, orderOf } from "#goals";
import type { Once, QueueStore } from "#queue";
import { failureIn, must } from "../../support/opened-stores.ts";

export type GoalStoreHarness = {
  readonly store: GoalStore;
  readonly queue: Pick<QueueStore, "events">;
  readonly close: () => Promise<void>;
};

const AT_MS = 1_700_000_000_000;
const ids = createIdFactory(new SimulatedClock(), seededRandom(3));
const node = ids.node();
const TASK = "t_06d3w4r8k0e7v9w2m5x1y3z6ab" as TaskId; // `as`: the form of an id

function row(goalId: GoalId, n: number, more: Partial<GoalTask> = {}): GoalTask {
  return {
    goalId,
    n,
    kind: "work",
    round: 1,
    key: `t${n}`,
    title: "one",
    body: '{"title":"one"}',
    dependsOn: [],
    state: "planned",
    tries: 0,
    taskId: null,
    reply: null,
    error: null,
    spent: { tokens: 0, costMicrodollars: 0 },
    ...more,
  };
}

/** What every GoalStore must do. Each test gets a store of its own. */
export function goalStoreConformance(name: string, open: () => Promise<GoalStoreHarness>): void {
  describe(`goals on ${name}`, () => {
    let harness: GoalStoreHarness | undefined;
    const fresh = async (): Promise<GoalStoreHarness> => {
      harness = await open();
      return harness;
    };
    afterEach(async () => harness?.close());

    const submit = async (store: GoalStore, more: Partial<GoalSubmission> = {}, once?: Once): Promise<Goal> => {
      const order = orderOf({ title: "one", ...more });
      const receipt = must(await store.submit({ id: ids.goal(), order, node, nowMs: AT_MS }, once));
      return goalOf(store, receipt.id);
    };
    const goalOf = async (store: GoalStore, id: GoalId): Promise<Goal> => {
      const goal = must(await store.find(id));
      if (goal === undefined) throw new Error(`there is no ${id}`);
      return goal;
    };

    test("a goal comes back as it was handed in, and is told to all", async () => {
      const { store, queue } = await fresh();
      const submission = {
        description: "two\nlines",
        priority: "high",
        successCriteria: ["it is nice"],
        verify: [{ kind: "file_exists", path: "a" }],
        budget: { tokens: 5 },
        labels: { team: "a" },
        idempotencyKey: "k",
      } as const;

      const goal = await submit(store, {
        ...submission,
        verify: [...submission.verify],
        successCriteria: ["it is nice"],
      });

      expect(goal.order).toEqual(
        orderOf({ title: "one", ...submission, verify: [...submission.verify], successCriteria: ["it is nice"] }),
      );
      expect([goal.state, goal.revision, goal.createdAtMs, goal.endedAtMs]).toEqual(["submitted", 1, AT_MS, null]);
      expect(must(await store.keyed("k"))?.id).toBe(goal.id);
      expect(must(await queue.events(0, 10)).map(({ kind, data }) => [kind, data["goal"]])).toEqual([
        ["goal.submitted", goal.id],
      ]);
      expect(must(await store.events(goal.id, 0, 10)).map(({ seq, kind }) => [seq, kind])).toEqual([[1, "submitted"]]);
    });

    test("the same key with the same order is a repetition, and with another one a conflict", async () => {
      const { store } = await fresh();
      const goal = await submit(store, { idempotencyKey: "k" });

      const again = await submit(store, { idempotencyKey: "k" });
      const other = await store.submit({
        id: ids.goal(),
        order: orderOf({ title: "two", idempotencyKey: "k" }),
        node,
        nowMs: AT_MS,
      });

      expect(again.id).toBe(goal.id);
      expect(failureIn(other)).toMatchObject({ kind: "refused", code: "conflict" });
      expect(must(await store.list({}, 10)).items).toHaveLength(1);
    });

    test("a command that is repeated under its id is answered as the first time, a refusal too", async () => {
      const { store } = await fresh();
      const once = { id: ids.command(), node };
      const goal = await submit(store, {}, once);
      const cancelOnce = { id: ids.command(), node };
      const unknown = ids.goal();
      const refusedOnce = { id: ids.command(), node };

      const again = await submit(store, {}, once);
      const first = must(await store.cancel(goal.id, "enough", AT_MS + 1, cancelOnce));
      const second = must(await store.cancel(goal.id, "enough, again", AT_MS + 2, cancelOnce));
      const missing = failureIn(await store.cancel(unknown, "x", AT_MS, refusedOnce));
      const missingAgain = failureIn(await store.cancel(unknown, "x", AT_MS, refusedOnce));

      expect(again.id).toBe(goal.id);
      expect(second).toEqual(first);
      expect([missing.code, missingAgain]).toEqual(["not_found", missing]);
    });

    test("a change is made of the newest revision alone, with its tasks and events, or not at all", async () => {
      const { store } = await fresh();
      const goal = await submit(store);
      const after: Goal = { ...goal, state: "decomposing", round: 1, startedAtMs: AT_MS };
      const change = { goal: after, tasks: [row(goal.id, 1)], events: [{ kind: "begun", data: { round: 1 } }] };

      const saved = must(await store.save(goal, change, AT_MS + 5));
      const stale = must(await store.save(goal, { ...change, tasks: [row(goal.id, 2)] }, AT_MS + 6));

      expect([saved, stale]).toEqual([true, false]);
      expect(await goalOf(store, goal.id)).toEqual({ ...after, revision: 2 });
      expect(must(await store.tasks(goal.id))).toEqual([row(goal.id, 1)]);
      expect(must(await store.events(goal.id, 1, 10))).toEqual([
        { seq: 2, atMs: AT_MS + 5, kind: "begun", data: { round: 1 } },
      ]);
    });

    test("tasks come back as they were put, in the order of their numbers", async () => {
      const { store } = await fresh();
      const goal = await submit(store);
      const rows = [
        row(goal.id, 2, { dependsOn: [1], state: "open", taskId: TASK, tries: 1 }),
        row(goal.id, 1, { kind: "plan", state: "done", reply: "{}", spent: { tokens: 7, costMicrodollars: 9 } }),
      ];

      must(await store.save(goal, { goal, tasks: rows, events: [] }, AT_MS));
      const next = await goalOf(store, goal.id);
      const broken = row(goal.id, 2, { dependsOn: [1], state: "failed", taskId: TASK, tries: 1, error: "it broke" });
      must(await store.save(next, { goal: next, tasks: [broken], events: [] }, AT_MS));

      expect(must(await store.tasks(goal.id))).toEqual([rows[1], broken]);
    });

    test("a goal that has ended is not cancelled, and one that was cancelled stays so", async () => {
      const { store, queue } = await fresh();
      const goal = await submit(store);
      const other = await submit(store);
      const end = { goal: failed(other, { code: "budget", text: "used up" }, AT_MS), tasks: [], events: [] };
      must(await store.save(other, end, AT_MS));

      const cancelled = must(await store.cancel(goal.id, "enough", AT_MS + 1));
      const again = must(await store.cancel(goal.id, "once more", AT_MS + 2));
      const late = failureIn(await store.cancel(other.id, "too late", AT_MS + 2));

      expect([cancelled.state, cancelled.reason, cancelled.endedAtMs]).toEqual([
        "cancelled",
        { code: "cancelled", text: "enough" },
        AT_MS + 1,
      ]);
      expect(again).toEqual(cancelled);
      expect(late.code).toBe("conflict");
      const changes = must(await queue.events(0, 10)).filter(({ kind }) => kind === "goal.changed");
      expect(changes.map(({ data }) => [data["from"], data["state"], data["code"]])).toEqual([
        ["submitted", "failed", "budget"],
        ["submitted", "cancelled", "cancelled"],
      ]);
    });

    test("a goal that is held goes on, with another budget", async () => {
      const { store } = await fresh();
      const goal = await submit(store, { budget: { tokens: 5 } });
      must(await store.save(goal, { goal: { ...goal, paused: "used up" }, tasks: [], events: [] }, AT_MS));

      const after = must(await store.resume(goal.id, { tokens: 50, costMicrodollars: null }, AT_MS));

      expect([after.paused, after.order.budget.tokens, after.revision]).toEqual([null, 50, 3]);
      expect(await goalOf(store, goal.id)).toEqual(after);
    });

    test("open goals come by priority, then by age; an ended one stays as long as tasks of it are left", async () => {
      const { store } = await fresh();
      const normal = await submit(store);
      const later = await submit(store);
      const critical = await submit(store, { priority: "critical" });
      const ended = await submit(store);
      must(
        await store.save(
          ended,
          { goal: ended, tasks: [row(ended.id, 1, { state: "open", taskId: TASK })], events: [] },
          AT_MS,
        ),
      );
      const cancelled = must(await store.cancel(ended.id, "enough", AT_MS));

      const open = must(await store.open(10)).map(({ id }) => id);
      must(
        await store.save(
          cancelled,
          { goal: cancelled, tasks: [row(ended.id, 1, { state: "dropped" })], events: [] },
          AT_MS,
        ),
      );

      expect(open).toEqual([critical.id, normal.id, later.id, ended.id]);
      expect(must(await store.open(10)).map(({ id }) => id)).toEqual([critical.id, normal.id, later.id]);
    });

    test("lists come by pages, the newest first, of the states asked for", async () => {
      const { store } = await fresh();
      const goals = [await submit(store), await submit(store), await submit(store)];
      must(await store.cancel(goals[1]?.id ?? ids.goal(), "enough", AT_MS));

      const first = must(await store.list({}, 2));
      const second = must(await store.list({}, 2, first.nextCursor ?? undefined));
      const cancelled = must(await store.list({ states: ["cancelled"] }, 10));

      expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(goals.map(({ id }) => id).reverse());
      expect(second.nextCursor).toBeNull();
      expect(cancelled.items.map(({ id }) => id)).toEqual([goals[1]?.id]);
    });

    test("retention removes goals that ended long ago with all that belongs to them, and no other", async () => {
      const { store } = await fresh();
      const open = await submit(store);
      const old = await submit(store);
      must(await store.save(old, { goal: old, tasks: [row(old.id, 1, { state: "done" })], events: [] }, AT_MS));
      must(await store.cancel(old.id, "enough", AT_MS));

      const none = must(await store.prune(AT_MS, 10));
      const removed = must(await store.prune(AT_MS + 1, 10));

      expect([none, removed]).toEqual([0, 1]);
      expect(must(await store.find(old.id))).toBeUndefined();
      expect([must(await store.tasks(old.id)), must(await store.events(old.id, 0, 10))]).toEqual([[], []]);
      expect(must(await store.find(open.id))?.id).toBe(open.id);
    });
  });
}
