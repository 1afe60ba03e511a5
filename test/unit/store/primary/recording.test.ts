import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Connection, openConnection } from "../../../../src/store/connection.ts";
import {
  MAX_RECORDED_BYTES,
  MAX_RECORDED_STATEMENTS,
  RecordingConnection,
  RecordTooLarge,
} from "../../../../src/store/primary/recording.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
let inner: Connection;
let recording: RecordingConnection;

beforeEach(() => {
  inner = openConnection(join(folder(), "x.db"));
  inner.exec("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT) STRICT");
  recording = new RecordingConnection(inner);
});
afterEach(() => inner.close());

describe("a recording connection", () => {
  it("records changes in order, with parameters as they are stored and the rows that changed", () => {
    recording.exec("BEGIN IMMEDIATE");
    recording.prepare("INSERT INTO t (b) VALUES (?), (?)").run(["x", "a\0b"]);
    recording.prepare("SELECT * FROM t").all([]);
    recording.prepare("UPDATE t SET b = ?").run([null]);
    recording.exec("CREATE INDEX i ON t (b)");
    recording.prepare("PRAGMA data_version").get([]);
    recording.exec("COMMIT");

    expect(recording.recorded).toEqual([
      { sql: "INSERT INTO t (b) VALUES (?), (?)", args: ["x", '\u0001"a\\u0000b"'], changes: 2 },
      { sql: "UPDATE t SET b = ?", args: [null], changes: 2 },
      { sql: "CREATE INDEX i ON t (b)", args: [], changes: null },
    ]);
  });

  it("records nothing that goes past it, and forgets when told to", () => {
    recording.prepare("INSERT INTO t (b) VALUES (?)").run(["x"]);
    recording.clear();
    recording.unrecorded.prepare("INSERT INTO t (b) VALUES (?)").run(["y"]);

    expect(recording.recorded).toEqual([]);
  });

  it("does not record a change that failed", () => {
    recording.prepare("INSERT INTO t (a) VALUES (?)").run([1]);
    expect(() => recording.prepare("INSERT INTO t (a) VALUES (?)").run([1])).toThrow("UNIQUE");

    expect(recording.recorded).toHaveLength(1);
  });

  it("refuses what it cannot record: changes that answer rows, and words it does not know", () => {
    const returning = recording.prepare("INSERT INTO t (b) VALUES (?) RETURNING a");

    expect(() => returning.get(["x"])).toThrow("cannot be recorded");
    expect(() => returning.all(["x"])).toThrow("cannot be recorded");
    expect(() => recording.prepare("WITH x AS (SELECT 1) DELETE FROM t")).toThrow("cannot be told");
  });

  it("has a limit of bytes and of statements", () => {
    const insert = recording.prepare("INSERT INTO t (b) VALUES (?)");
    const large = "x".repeat(MAX_RECORDED_BYTES / 16);
    recording.exec("BEGIN");
    for (let n = 0; n < 15; n += 1) insert.run([large]);
    expect(() => insert.run([large])).toThrow(RecordTooLarge);

    recording.clear();
    for (let n = 0; n < MAX_RECORDED_STATEMENTS; n += 1) insert.run(["x"]);
    expect(() => insert.run(["x"])).toThrow(RecordTooLarge);
  });
});
