import { expect, it } from "vitest";
import { err, ok, refused } from "#base";
import type { NoteRow } from "#queue";
import { type Part, value } from "./suite.ts";

export const notes: Part = (suite) => {
  const note = (name: string, more: Partial<NoteRow> = {}): NoteRow => ({
    kind: "setting",
    name,
    value: { deep: [1, null, "ü"] },
    atMs: 7,
    node: suite.world.node,
    ...more,
  });
  const list = async (kind: NoteRow["kind"]): Promise<readonly NoteRow[]> =>
    value(await suite.world.store.transact("list notes", (tx) => ok(tx.notes.list(kind))));
  const put = async (...rows: readonly NoteRow[]): Promise<void> => {
    await suite.world.store.transact("put notes", (tx) => {
      for (const row of rows) tx.notes.put(row);
      return ok(undefined);
    });
  };

  it("as they are, by kind and name, the newest in the place of the one before", async () => {
    await put(note("b"), note("a"), note("b", { kind: "rollout", value: 1 }));
    await put(note("b", { value: "new", atMs: 9 }));

    expect(await list("setting")).toEqual([note("a"), note("b", { value: "new", atMs: 9 })]);
    expect(await list("rollout")).toEqual([note("b", { kind: "rollout", value: 1 })]);
  });

  it("no longer once they are removed; what a command that failed did to them never was", async () => {
    await put(note("a"), note("b"));

    value(
      await suite.world.store.transact("remove a note", (tx) => {
        tx.notes.remove("setting", "a");
        return ok(tx.notes.list("setting"));
      }),
    );
    const failing = suite.world.store.transact("fail", (tx) => {
      tx.notes.put(note("c"));
      tx.notes.remove("setting", "b");
      throw new Error("a bug");
    });
    const refusing = suite.world.store.transact("refuse", () => err(refused("conflict", "no")));

    await expect(failing).rejects.toThrow("a bug");
    expect((await refusing).ok).toBe(false);
    expect(await list("setting")).toEqual([note("b")]);
  });
};
