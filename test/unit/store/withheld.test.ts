import { describe, expect, it } from "vitest";
import { type Failure, ok, type Result, retryable } from "#base";
import type { QueueTransaction } from "#queue";
import type { Stores } from "#store";
import { must, openedStores } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const LOST = retryable("unavailable", "this hub has no lease");

const note =
  (text: string) =>
  (tx: QueueTransaction): Result<string> => {
    tx.appendEvent({ atMs: 1, kind: "task.progress", taskId: null, data: { text } });
    return ok(text);
  };

async function notes(stores: Stores): Promise<readonly unknown[]> {
  return must(await stores.queue.events(0, 500)).map((event) => event.data["text"]);
}

describe("a writer from which everything is withheld", () => {
  it("W8: refuses what comes without running it, and takes it again afterwards", async () => {
    let withheld: Failure | undefined;
    const stores = await openedStores(folder(), { withhold: () => withheld });
    let runs = 0;
    await stores.queue.transact("note", note("before"));
    withheld = LOST;

    const refused = await stores.queue.transact("change", (tx) => {
      runs += 1;
      return note("never")(tx);
    });
    withheld = undefined;
    const after = await stores.queue.transact("note", note("after"));

    expect(refused).toEqual({ ok: false, error: { ...LOST, message: "change: this hub has no lease" } });
    expect([runs, after]).toEqual([0, ok("after")]);
    expect(await notes(stores)).toEqual(["before", "after"]);
    await stores.close();
  });

  it("W8: does not say that something took effect when it is withheld between its commit and its answer", async () => {
    let withheld: Failure | undefined;
    const told: unknown[] = [];
    const stores = await openedStores(folder(), {
      withhold: () => withheld,
      crashPoint: (label) => {
        if (label === "store.commit.after") withheld = LOST;
      },
    });
    stores.queue.subscribe((events) => told.push(...events.map(({ data }) => data["text"])));

    const answers = await Promise.all([
      stores.queue.transact("first", note("first")),
      stores.queue.transact("second", note("second")),
    ]);

    expect(answers.map((answer) => answer.ok || answer.error.message)).toEqual([
      "first: this hub has no lease",
      "second: this hub has no lease",
    ]);
    // It took effect all the same: whoever follows the database sees it.
    expect(await notes(stores)).toEqual(["first", "second"]);
    expect(told).toEqual(["first", "second"]);
    await stores.close();
  });
});
