import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isMissingTable, Server } from "../../../../src/store/primary/server.ts";
import { hasSqld, Sqld } from "../../../support/sqld.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

type Asked = { readonly baton: string | null; readonly kinds: readonly string[] };

const folder = temporaryFolders();
const TABLE = { sql: "CREATE TABLE thing (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT", args: [] };
const insert = (id: number, name: string | null) => ({ sql: "INSERT INTO thing VALUES (?, ?)", args: [id, name] });
let dir: string;
let sqld: Sqld;
let relay: ReturnType<typeof Bun.serve>;
let asked: Asked[];
let server: Server;

describe.skipIf(!hasSqld)("a libSQL server, asked by its hub,", () => {
  beforeEach(async () => {
    dir = folder();
    sqld = await Sqld.start(dir);
    asked = [];
    relay = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request) => {
        const body = await request.text();
        // `as`: what is sent, by the protocol.
        const { baton, requests } = JSON.parse(body) as { baton: string | null; requests: { type: string }[] };
        asked.push({ baton, kinds: requests.map(({ type }) => type) });
        const answer = await fetch(`${sqld.url}${new URL(request.url).pathname}`, { method: "POST", body });
        return new Response(await answer.text(), { status: answer.status });
      },
    });
    server = new Server({ url: relay.url.href });
    await server.batch([TABLE]);
  });
  afterEach(async () => {
    server.close();
    await relay.stop(true);
    await sqld.kill();
  });

  it("keeps the connection of a batch that it committed for the next one", async () => {
    expect(await server.batch([insert(1, "a"), insert(2, "b")])).toEqual({ kind: "committed", changes: [1, 1] });
    expect(await server.batch([{ sql: "UPDATE thing SET name = ?", args: ["c"] }])).toMatchObject({ changes: [2] });

    expect(asked.map(({ baton }) => baton === null)).toEqual([true, false, false]);
    expect(await server.rows("SELECT id, name, 0.5, NULL FROM thing ORDER BY id")).toEqual([
      [1, "c", 0.5, null],
      [2, "c", 0.5, null],
    ]);
  });

  it("ends that of a batch that it refused, of which nothing took effect", async () => {
    const refused = await server.batch([insert(1, "a"), insert(2, null), insert(3, "c")]);
    expect(refused).toMatchObject({ kind: "refused", statement: 1, cause: { code: "SQLITE_CONSTRAINT" } });
    expect(asked.at(-1)?.kinds).toEqual(["close"]);

    expect(await server.batch([insert(2, "b")])).toEqual({ kind: "committed", changes: [1] });
    expect(asked.at(-1)?.baton).toBeNull();
    expect(await server.rows("SELECT id FROM thing")).toEqual([[2]]);
  });

  it("started anew does not know the connection: what became of the batch is not certain, and the next one has another", async () => {
    await sqld.kill();
    sqld = await Sqld.start(dir, { port: sqld.port });

    expect(await server.batch([insert(1, "a")])).toMatchObject({ kind: "unknown" });
    expect(await server.batch([insert(1, "a")])).toEqual({ kind: "committed", changes: [1] });
  });

  it("gives two batches of one moment a connection each", async () => {
    const both = await Promise.all([server.batch([insert(1, "a")]), server.batch([insert(2, "b")])]);

    expect(both.map(({ kind }) => kind)).toEqual(["committed", "committed"]);
    expect(asked.slice(1).map(({ baton }) => baton === null)).toEqual([false, true]);
  });

  it("says which table it has not, and what it cannot answer", async () => {
    await expect(server.rows("SELECT 1 FROM nowhere")).rejects.toSatisfy(isMissingTable);
    await expect(server.rows("SELECT x'00'")).rejects.toThrow("blob");
  });
});
