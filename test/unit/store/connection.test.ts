import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { type Connection, openConnection, StoreClosed, text } from "../../../src/store/connection.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
let connection: Connection;

beforeEach(() => {
  connection = openConnection(join(folder(), "cats.db"));
  connection.exec("CREATE TABLE cat (name TEXT, age INTEGER)");
});

describe("a statement", () => {
  it("answers get with its own row after all, and all with its own rows after get", () => {
    connection.exec("INSERT INTO cat VALUES ('Mia', 1), ('Tom', 2), ('Ben', 2)");
    const statement = connection.prepare("SELECT name FROM cat WHERE age = ? ORDER BY name");
    const asked: readonly (readonly ["get" | "all", number])[] = [
      ["all", 9],
      ["get", 1],
      ["all", 2],
      ["get", 9],
      ["get", 2],
      ["all", 1],
      ["all", 2],
      ["get", 1],
    ];

    const answers = asked.map(([how, age]) => statement[how]([age]));

    expect(answers).toEqual([
      [],
      ["Mia"],
      [["Ben"], ["Tom"]],
      undefined,
      ["Ben"],
      [["Mia"]],
      [["Ben"], ["Tom"]],
      ["Mia"],
    ]);
  });

  it("gives every text back as it was bound, zero characters and marks of the encoding included", () => {
    const texts = ["", "a\0b", "\0", "\u0001", '\u0001"x"', "\u0001\0", "ünïcode \u{1f408}", "'; DROP TABLE cat"];
    const insert = connection.prepare("INSERT INTO cat (name) VALUES (?)");
    for (const name of texts) insert.run([name]);

    const found = connection.prepare("SELECT name FROM cat ORDER BY rowid").all([]);
    const counted = texts.map((name) => connection.prepare("SELECT count(*) FROM cat WHERE name = ?").get([name])?.[0]);

    expect(found.map((row) => text(row, 0))).toEqual(texts);
    expect(counted).toEqual(texts.map(() => 1));
  });

  it("with a fault in its text throws when it is prepared", () => {
    expect(() => connection.prepare("SELECT FROM nothing")).toThrow("syntax error");
  });
});

describe("a connection", () => {
  it("refuses to be used after it was closed, and says whether a transaction is open", () => {
    connection.exec("BEGIN");
    expect(connection.inTransaction()).toBe(true);

    connection.close();

    expect(connection.inTransaction()).toBe(false);
    expect(() => connection.prepare("SELECT 1")).toThrow(StoreClosed);
  });

  it("that only reads cannot write", () => {
    const reading = openConnection(connection.path, { queryOnly: true });

    expect(() => reading.exec("DELETE FROM cat")).toThrow("readonly");
  });

  it("flushes every commit and checks its foreign keys", () => {
    const ask = (pragma: string): unknown => connection.prepare(`PRAGMA ${pragma}`).get([])?.[0];

    expect([ask("synchronous"), ask("foreign_keys"), ask("journal_mode")]).toEqual([2, 1, "wal"]);
  });
});
