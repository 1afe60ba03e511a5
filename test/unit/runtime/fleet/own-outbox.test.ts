/** A member that becomes the hub carries out what it had to say to the old one: over its real outbox. */
import { expect, it } from "vitest";
import { carryOutOwn } from "../../../../src/runtime/fleet/own-outbox.ts";
import { must } from "../../../support/opened-stores.ts";
import { attemptReport, newTask } from "../../../support/queue-world.ts";
import { ids, openSide } from "../../../support/succession-world.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();

it("what waits in the outbox and what the old hub had answered is in the queue, once, and the outbox is empty", async () => {
  const { queue, stores, node, close } = await openSide(folder());
  const { outbox } = stores;
  must(await queue.submit([newTask(ids.task())]));
  const [claimed] = must(await queue.claim({ holder: node, limit: 1, accepts: () => true })).tasks;
  if (claimed === undefined) throw new Error("there is a task to be claimed");
  const { row, fence } = claimed;
  const [waiting, answered, refused] = [newTask(ids.task()), newTask(ids.task()), ids.task()];
  const submits = [waiting, answered].map((task) => ({
    id: ids.command(),
    kind: "submit" as const,
    args: { tasks: [task] },
  }));
  const finish = {
    id: ids.command(),
    kind: "finish" as const,
    args: { taskId: row.id, fence, report: attemptReport() },
  };
  const drop = { id: ids.command(), kind: "drop" as const, args: { taskId: refused } };
  for (const command of [...submits, finish, drop]) must(outbox.append(command, 1));
  const [, second] = submits;
  must(outbox.answered(1, [{ id: second?.id ?? ids.command(), result: { ok: true, value: null } }]));

  const told = must(await carryOutOwn(outbox, queue, node));
  const again = must(await carryOutOwn(outbox, queue, node));

  expect([...told]).toEqual([row.id]);
  expect([...again]).toEqual([]);
  expect(must(outbox.count())).toEqual({ waiting: 0, unsettled: 0 });
  const states = must(await queue.store.findMany([waiting.id, answered.id, row.id])).map((each) => each.row.state);
  expect(states).toEqual(["ready", "ready", "done"]);
  await close();
});
