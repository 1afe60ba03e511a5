import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { openConnection } from "../../../src/store/connection.ts";
import { LongReader } from "../../../src/store/long-reader.ts";
import { failureIn, must } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
let reader: LongReader | undefined;
afterEach(() => reader?.close());

function readerOfCats(readTimeoutMs = 30_000): LongReader {
  const path = join(folder(), "cats.db");
  const connection = openConnection(path);
  connection.exec("CREATE TABLE cat (name TEXT)");
  connection.prepare("INSERT INTO cat VALUES (?)").run(["M\0ia"]);
  reader = new LongReader(path, { readTimeoutMs, closeTimeoutMs: 25_000 });
  return reader;
}

function counting(rows: number): string {
  return `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${rows}) SELECT max(i) FROM n`;
}

/** A statement that keeps a thread of this machine busy for about `ms`: machines differ by a factor of ten. */
function busyFor(ms: number): string {
  const sampleRows = 400_000;
  const connection = openConnection(join(folder(), "sample.db"));
  const startedMs = performance.now();
  connection.prepare(counting(sampleRows)).all([]);
  const rowsPerMs = sampleRows / (performance.now() - startedMs);
  connection.close();
  return counting(Math.ceil(rowsPerMs * ms));
}

describe("the reader thread", () => {
  it("gives rows while the event loop goes on", async () => {
    const cats = readerOfCats();
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    const slow =
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300000) SELECT count(*), name FROM n, cat";

    const rows = must(await cats.all("count", slow, []));
    clearInterval(timer);

    expect(rows[0]?.[0]).toBe(300_000);
    expect(turns).toBeGreaterThan(3);
  });

  it("that gives no answer in time is given up, and the next question gets another", async () => {
    const statement = busyFor(3_000);
    const cats = readerOfCats(1_000);

    const slow = await cats.all("count", statement, []);
    const rows = must(await cats.all("read", "SELECT count(*) FROM cat", []));

    expect(failureIn(slow)).toMatchObject({ kind: "retryable", code: "timed_out" });
    expect(rows).toEqual([[1]]);
  });

  it("answers a question that the database refuses with a failure, and goes on", async () => {
    const cats = readerOfCats();

    const refusal = await cats.all("read dogs", "SELECT * FROM dog", []);
    const rows = must(await cats.all("read", "SELECT count(*) FROM cat", []));

    expect(failureIn(refusal).message).toContain("read dogs: no such table");
    expect(rows).toEqual([[1]]);
  });

  it("cannot write", async () => {
    const cats = readerOfCats();

    const refusal = await cats.all("write", "DELETE FROM cat RETURNING name", []);

    expect(failureIn(refusal).code).toBe("read_only");
  });

  it("fails what waits when it is closed", async () => {
    const cats = readerOfCats();
    const waiting = cats.all("count", counting(2_000_000), []);

    await cats.close();

    const result = await waiting;
    expect(failureIn(result).code).toBe("unavailable");
  });
});
