import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createIdFactory, ok, SimulatedClock, seededRandom } from "#base";
import { openConnection } from "../../../src/store/connection.ts";
import { must, openedStores } from "../../support/opened-stores.ts";
import { newTask } from "../../support/queue-world.ts";
import { readyRow } from "../../support/task-row.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const ids = createIdFactory(new SimulatedClock(), seededRandom(8));

describe("a person who changes the database with a shell while drover runs", () => {
  it("is noticed: what was remembered of the row is read again", async () => {
    const dir = folder();
    const stores = await openedStores(dir);
    const id = ids.task();
    must(
      await stores.queue.transact("add", (tx) => {
        tx.insertTask(readyRow(id), newTask(id));
        return ok(undefined);
      }),
    );
    const shell = openConnection(join(dir, "fleet.db"));
    shell.exec("UPDATE task SET attempt_limit = 99");

    const row = must(await stores.queue.transact("look", (tx) => ok(tx.task(id))));
    await stores.close();

    expect(row?.attemptLimit).toBe(99);
  });

  it("cannot store a state that the queue could not have made", async () => {
    const dir = folder();
    const stores = await openedStores(dir);
    const id = ids.task();
    must(
      await stores.queue.transact("add", (tx) => {
        tx.insertTask(readyRow(id), newTask(id));
        return ok(undefined);
      }),
    );
    const shell = openConnection(join(dir, "fleet.db"));
    const changes = [
      "state = 'running'",
      "state = 'done'",
      "state = 'sleeping'",
      "holder = 'n_1'",
      "ended_at_ms = 1",
      "blocked_by = 1",
      "blocked_by = -1",
      "attempts = 4",
      "lane = 5",
      "admitted = 2",
      "wake_at_ms = 1",
      "progress_ratio = 1.5, progress_message = 'x'",
      "dependency_policy = 'hope'",
      "cancel_requested = 'yes'",
    ];

    const refused = changes.filter((change) => {
      try {
        shell.exec(`UPDATE task SET ${change}`);
        return false;
      } catch {
        return true;
      }
    });
    await stores.close();

    expect(refused).toEqual(changes);
  });
});
