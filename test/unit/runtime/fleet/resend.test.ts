/** What a hub alone had accepted is in the new hub's queue in the end: over real databases. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { present, type TaskId } from "#base";
import type { FleetCommand, QuarantineEntry } from "#fleet";
import type { ClaimedTask, NewTask, TaskRecord } from "#queue";
import type { ResendStep } from "../../../../src/runtime/fleet/resender.ts";
import { must } from "../../../support/opened-stores.ts";
import { attemptReport, newTask } from "../../../support/queue-world.ts";
import {
  ids,
  Killed,
  killAt,
  openSide,
  resenderOf,
  type Side,
  SuccessionWorld,
} from "../../../support/succession-world.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
let world: SuccessionWorld;
const open: Side[] = [];

beforeEach(() => {
  world = new SuccessionWorld(folder());
});
afterEach(async () => {
  for (const side of open.splice(0)) await side.close();
});

async function opened(dir: string): Promise<Side> {
  const side = await openSide(dir);
  open.push(side);
  return side;
}

async function closed(side: Side): Promise<void> {
  open.splice(open.indexOf(side), 1);
  await side.close();
}

async function submit({ queue }: Side, ...tasks: Partial<NewTask>[]): Promise<readonly TaskId[]> {
  const receipts = must(await queue.submit(tasks.map((over) => newTask(ids.task(), over))));
  return receipts.map(({ id }) => id);
}

async function claim({ queue, node }: Side, limit: number): Promise<readonly ClaimedTask[]> {
  return must(await queue.claim({ holder: node, limit, accepts: () => true })).tasks;
}

async function recordOf({ queue }: Side, id: TaskId): Promise<TaskRecord | undefined> {
  return must(await queue.store.find(id));
}

function entriesOf({ stores }: Side): readonly QuarantineEntry[] {
  const [folder] = must(stores.quarantine.folders());
  return must(stores.quarantine.entries(present(folder, "there is one").name, 0, 1_000));
}

type Lost = { readonly shared: readonly ClaimedTask[]; readonly old: Side; readonly hub: Side };

/** @param alone what the old hub does after the member heard of it for the last time */
async function afterReturn(
  alone: (hub: Side, shared: readonly ClaimedTask[]) => Promise<void>,
  meanwhile: (hub: Side) => Promise<void> = async () => undefined,
): Promise<Lost> {
  const before = await opened(world.oldDir);
  await submit(before, {}, {});
  const shared = await claim(before, 2);
  await closed(before);
  await world.copyToMember();
  const lonely = await opened(world.oldDir);
  await alone(lonely, shared);
  await closed(lonely);
  must(world.promote());
  world.noteStepDown();
  must(world.stepDown());
  world.copyToOldHub();
  const hub = await opened(world.newDir);
  await meanwhile(hub);
  const old = await opened(world.oldDir);
  must(old.stores.quarantine.discover());
  return { shared, old, hub };
}

async function settle(old: Side, hub: Side, options: Parameters<typeof resenderOf>[2] = {}): Promise<void> {
  for (let pass = 0; pass < 5; pass += 1) if (await resenderOf(old, hub, options).work()) return;
  throw new Error("it did not come to an end");
}

describe("what a superseded hub alone had accepted", () => {
  it("R1: is submitted to the new hub under its own id, with everything that it was submitted with", async () => {
    const given = {
      lane: 1,
      key: "k",
      requirements: '{"executor":"shell"}',
      labels: { team: "a b", note: "c\0d" },
      maxAttempts: 5,
      retryBaseMs: 7,
      retryMaxMs: 9,
      idempotencyKey: "once",
      bodyHash: "h1",
      body: '{"title":"alone"}',
      dependencyPolicy: "wait" as const,
    };
    const own: TaskId[] = [];
    const { old, hub } = await afterReturn(async (lonely) => {
      own.push(...(await submit(lonely, given)));
    });

    await settle(old, hub);
    const [id] = own;
    const record = present(await recordOf(hub, present(id, "one was submitted")), "the new hub has it");
    const repeated = must(await hub.queue.submit([newTask(ids.task(), given)]));

    expect(record.row).toMatchObject({
      lane: 1,
      key: "k",
      state: "ready",
      maxAttempts: 5,
      retryBaseMs: 7,
      retryMaxMs: 9,
    });
    expect(record).toMatchObject({ body: given.body, labels: given.labels });
    expect(repeated).toEqual([{ id, created: false }]);
    expect(entriesOf(old).map(({ kind, outcome }) => [kind, outcome])).toEqual([["submission", "accepted"]]);
    expect(must(old.stores.quarantine.folders())).toMatchObject([{ state: "settled" }]);
  });

  it("R1: ends the attempts that it had ended, under their fences", async () => {
    const { shared, old, hub } = await afterReturn(async (lonely, [first, second]) => {
      for (const [task, report] of [
        [first, attemptReport({ result: { answer: 42 } })],
        [second, attemptReport({ outcome: "failed", consequence: "terminal", error: "no such file" })],
      ] as const) {
        const { row, fence } = present(task, "claimed before");
        must(await lonely.queue.finish(row.id, fence, report));
      }
    });
    const [first, second] = shared.map(({ row }) => row.id);

    await settle(old, hub);
    const done = present(await recordOf(hub, present(first, "claimed")), "kept");
    const dead = present(await recordOf(hub, present(second, "claimed")), "kept");

    expect(done.row.state).toBe("done");
    expect(done.attempts).toMatchObject([{ outcome: "passed", result: { answer: 42 } }]);
    expect(dead.row).toMatchObject({ state: "dead", reason: { code: "terminal" } });
    expect(entriesOf(old).map(({ outcome }) => outcome)).toEqual(["accepted", "accepted"]);
  });

  it("R2: what ran there is claimed by nobody but the new hub; its end counts for nothing once that has given it away", async () => {
    const own: TaskId[] = [];
    const { old, hub } = await afterReturn(async (lonely) => {
      own.push(...(await submit(lonely, {})));
      const [claimed] = await claim(lonely, 1);
      const { row, fence } = present(claimed, "claimed alone");
      must(await lonely.queue.finish(row.id, fence, attemptReport()));
    });
    const sent: FleetCommand[] = [];

    await settle(old, hub, { sent });

    expect(sent.map(({ kind }) => kind)).toEqual(["submit", "finish"]);
    expect((await recordOf(hub, present(own[0], "one")))?.row.state).toBe("ready");
    expect(entriesOf(old).map(({ kind, outcome }) => [kind, outcome])).toEqual([
      ["submission", "accepted"],
      ["completion", "superseded"],
    ]);
  });

  it("comes with its dependencies, in whatever order they were submitted", async () => {
    const [first, second] = [ids.task(), ids.task()];
    const { old, hub } = await afterReturn(async (lonely) => {
      // The dependent is the first of the batch.
      must(await lonely.queue.submit([newTask(second, { dependsOn: [first] }), newTask(first)]));
    });

    await settle(old, hub);

    expect((await recordOf(hub, second))?.dependsOn).toEqual([first]);
    expect(entriesOf(old).map(({ outcome }) => outcome)).toEqual(["accepted", "accepted"]);
  });

  it("is not submitted when it was cancelled there", async () => {
    const { old, hub } = await afterReturn(async (lonely) => {
      const [unwanted] = await submit(lonely, {});
      must(await lonely.queue.cancel(present(unwanted, "one"), "no longer wanted"));
    });
    const sent: FleetCommand[] = [];

    await settle(old, hub, { sent });

    expect(sent).toEqual([]);
    expect(entriesOf(old)).toMatchObject([{ kind: "submission", outcome: "left", reason: "it was cancelled there" }]);
  });

  it("R3: what people changed is shown with its reason, and its folder stays", async () => {
    const { old, hub } = await afterReturn(async (lonely) => {
      must(await lonely.queue.setPaused(true));
    });

    await settle(old, hub);

    expect(must(await hub.queue.store.isPaused())).toBe(false);
    expect(entriesOf(old)).toMatchObject([{ kind: "change", event: "queue.paused", outcome: "refused" }]);
  });

  it("R1: is one with what a node sent again by itself, whichever came first", async () => {
    const task = newTask(ids.task());
    const command = ids.command();
    const { old, hub } = await afterReturn(
      async (lonely) => {
        must(await lonely.queue.submit([task], { id: command, node: ids.node() }));
      },
      async (hub) => {
        must(await hub.queue.submit([task], { id: command, node: ids.node() }));
      },
    );

    await settle(old, hub);
    const late = must(await hub.queue.submit([task], { id: ids.command(), node: ids.node() }));

    expect(late).toEqual([{ id: task.id, created: false }]);
    expect(entriesOf(old).map(({ outcome }) => outcome)).toEqual(["accepted"]);
  });

  it("waits while the new hub is away", async () => {
    const { old, hub } = await afterReturn(async (lonely) => {
      await submit(lonely, {});
    });

    const isDone = await resenderOf(old, hub, { isAway: () => true }).work();
    const whileAway = must(old.stores.quarantine.folders()).map(({ state, counts }) => [state, counts.waiting]);
    await settle(old, hub);

    expect(isDone).toBe(false);
    expect(whileAway).toEqual([["sending", 1]]);
    expect(entriesOf(old)).toMatchObject([{ outcome: "accepted" }]);
  });

  it.each<[ResendStep, number]>([
    ["resend.listed", 1],
    ["resend.answered", 1],
    ["resend.answered", 2],
    ["resend.noted", 1],
    ["resend.noted", 3],
  ])("R1: takes effect once when the node is killed at %s, time %i", async (step, nth) => {
    const own: TaskId[] = [];
    const { shared, old, hub } = await afterReturn(async (lonely, [first]) => {
      own.push(...(await submit(lonely, {}, {}, {})));
      const { row, fence } = present(first, "claimed before");
      must(await lonely.queue.finish(row.id, fence, attemptReport()));
    });

    await expect(resenderOf(old, hub, { crashPoint: killAt(step, nth) }).work()).rejects.toThrow(Killed);
    await closed(old);
    const again = await opened(world.oldDir);
    must(again.stores.quarantine.discover());
    await settle(again, hub);

    const events = must(await hub.queue.store.events(0, 1_000));
    for (const id of own) {
      expect(events.filter(({ kind, taskId }) => kind === "task.submitted" && taskId === id)).toHaveLength(1);
    }
    const first = present(shared[0], "claimed").row.id;
    expect(events.filter(({ kind, taskId }) => kind === "task.done" && taskId === first)).toHaveLength(1);
    expect(entriesOf(again).map(({ outcome }) => outcome)).toEqual(["accepted", "accepted", "accepted", "accepted"]);
  });

  it("knows an attempt that it had ended, so that the task is not given back before the new hub hears of it", async () => {
    const { shared, old } = await afterReturn(async (lonely, [first]) => {
      const { row, fence } = present(first, "claimed before");
      must(await lonely.queue.finish(row.id, fence, attemptReport()));
    });

    const ended = shared.map(async ({ row, fence }) => must(await old.stores.quarantine.hasEnded(row.id, fence)));

    expect(await Promise.all(ended)).toEqual([true, false]);
  });

  it("is gone from the disk and from the list once a person drops it", async () => {
    const { old } = await afterReturn(async (lonely) => {
      await submit(lonely, {});
    });
    const { quarantine } = old.stores;
    const name = present(must(quarantine.folders())[0], "one").name;

    const removed = must(await quarantine.remove(name));
    must(quarantine.discover());

    expect(removed).toBe(true);
    expect(must(quarantine.folders())).toEqual([]);
    expect(must(quarantine.entries(name, 0, 10))).toEqual([]);
    expect(must(await quarantine.remove(name))).toBe(false);
    expect(existsSync(join(world.oldDir, "quarantine", name))).toBe(false);
  });
});
