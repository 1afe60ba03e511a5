import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CommandId, createIdFactory, type JsonValue, SimulatedClock, seededRandom } from "#base";
import { type FleetCommand, MemoryOutbox, type Outbox } from "#fleet";
import { openConnection } from "../../../src/store/connection.ts";
import { migrateDatabase } from "../../../src/store/migrate.ts";
import { NODE_MIGRATIONS } from "../../../src/store/migrations/node.ts";
import { LibsqlOutbox } from "../../../src/store/outbox.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { valueOf } from "../api/api-harness.ts";

const folder = temporaryFolders();
const ids = createIdFactory(new SimulatedClock(), seededRandom(3));

function command(why = "w"): FleetCommand {
  return { id: ids.command(), kind: "cancel", args: { taskId: ids.task(), why } };
}

function onDisk(): { open: () => Outbox } {
  const path = join(folder(), "node.db");
  return {
    open: () => {
      const connection = openConnection(path);
      valueOf(migrateDatabase(connection, NODE_MIGRATIONS, 1));
      return new LibsqlOutbox(connection);
    },
  };
}

function inMemory(): { open: () => Outbox } {
  const outbox = new MemoryOutbox();
  return { open: () => outbox };
}

describe.each([
  ["node.db", onDisk],
  ["memory", inMemory],
])("the outbox in %s", (_where, make) => {
  const idsOf = (outbox: Outbox): readonly CommandId[] => valueOf(outbox.waiting(10)).map((row) => row.command.id);

  it("gives commands back word for word, in the order of their arrival, also when it is opened anew", () => {
    const { open } = make();
    const commands = [command("a\0b"), command("ü"), command()];
    for (const one of commands) valueOf(open().append(one, 1));

    expect(valueOf(open().waiting(10)).map((row) => row.command)).toEqual(commands);
    expect(valueOf(open().waiting(2))).toHaveLength(2);
  });

  it("keeps a command once, however often it is put in", () => {
    const outbox = make().open();
    const one = command();
    valueOf(outbox.append(one, 1));
    valueOf(outbox.append(one, 2));

    expect(idsOf(outbox)).toEqual([one.id]);
  });

  it("O1: one that was answered no longer waits, and stays until it is settled", () => {
    const outbox = make().open();
    const [first, second] = [command(), command()];
    const answer: JsonValue = { ok: true };
    for (const one of [first, second]) valueOf(outbox.append(one, 1));
    valueOf(outbox.answered(7, [{ id: first.id, result: answer }]));
    const counted = valueOf(outbox.count());
    const unsettled = valueOf(outbox.unsettled(10));
    valueOf(outbox.settle([first.id]));

    expect(idsOf(outbox)).toEqual([second.id]);
    expect(counted).toEqual({ waiting: 1, unsettled: 1 });
    expect(unsettled).toEqual([{ id: first.id, epoch: 7 }]);
    expect(valueOf(outbox.count())).toEqual({ waiting: 1, unsettled: 0 });
  });

  it("O1: one that waits is not settled, whatever a database shows", () => {
    const outbox = make().open();
    const waiting = command();
    valueOf(outbox.append(waiting, 1));
    valueOf(outbox.settle([waiting.id]));

    expect(idsOf(outbox)).toEqual([waiting.id]);
    expect(valueOf(outbox.answer(waiting.id))).toBeUndefined();
  });

  it("gives an answer again as long as it is kept", () => {
    const outbox = make().open();
    const one = command();
    valueOf(outbox.append(one, 1));
    valueOf(outbox.answered(7, [{ id: one.id, result: { ok: true, value: "x" } }]));
    const kept = valueOf(outbox.answer(one.id));
    valueOf(outbox.forget([one.id]));

    expect(kept).toEqual({ ok: true, value: "x" });
    expect(valueOf(outbox.answer(one.id))).toBeUndefined();
  });

  it("O3: one that is opened again waits in its old place", () => {
    const outbox = make().open();
    const [first, second] = [command(), command()];
    for (const one of [first, second]) valueOf(outbox.append(one, 1));
    valueOf(outbox.answered(1, [{ id: first.id, result: null }]));
    valueOf(outbox.reopen([first.id]));

    expect(idsOf(outbox)).toEqual([first.id, second.id]);
  });
});
