import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { expectSame, type Hub, marks, note, openedHub } from "../../../support/hub-stores.ts";
import { hasSqld, Sqld } from "../../../support/sqld.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function server(data: string, port?: number): Promise<Sqld> {
  const sqld = await Sqld.start(data, port === undefined ? {} : { port });
  ends.push(() => sqld.kill());
  return sqld;
}

async function hubOn(sqld: Sqld, dir = folder()): Promise<Hub> {
  const hub = await openedHub(dir, sqld.url);
  ends.push(() => hub.stores.close());
  return hub;
}

/** Callers that go on until told to stop. @returns what was acknowledged and what failed. */
function load(hub: Hub, callers: number): { readonly stop: () => Promise<{ acked: string[]; failed: string[] }> } {
  const acked: string[] = [];
  const failed: string[] = [];
  const end = new AbortController();
  const all = Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let n = 0; !end.signal.aborted; n += 1) {
        const mark = `${caller}/${n}`;
        ((await note(hub, mark)) ? acked : failed).push(mark);
      }
    }),
  );
  return {
    stop: async () => {
      end.abort();
      await all;
      return { acked, failed };
    },
  };
}

/** Waits until the load got further. */
async function progress(hub: Hub, commits: number): Promise<void> {
  const from = hub.stores.commits();
  while (hub.stores.commits() < from + commits) await new Promise((resolve) => setImmediate(resolve));
}

function expectOnce(stored: readonly string[], acked: readonly string[]): void {
  expect(new Set(stored).size).toBe(stored.length);
  expect(acked.filter((mark) => !stored.includes(mark))).toEqual([]);
}

describe.skipIf(!hasSqld)("a hub whose libSQL server", () => {
  it("is killed under load and started again on its port answers everybody, and loses and doubles nothing", async () => {
    const data = folder();
    let sqld = await server(data);
    const hub = await hubOn(sqld);
    const { url } = sqld;
    const callers = load(hub, 8);
    for (let round = 0; round < 4; round += 1) {
      await progress(hub, 5 + round * 3);
      await sqld.kill();
      sqld = await server(data, sqld.port);
    }
    await progress(hub, 3);

    const { acked, failed } = await callers.stop();

    expect(failed).toEqual([]);
    expectOnce(await marks(hub), acked);
    expect(hub.diverged).toEqual([]);
    await expectSame(hub.dir, url);
  });

  it("is away refuses as retryable, soon, and goes on by itself", async () => {
    const data = folder();
    const sqld = await server(data);
    const hub = await hubOn(sqld);
    await note(hub, "before");
    await sqld.kill();

    const first = await hub.stores.queue.transact("pause", (tx) => {
      tx.setPaused(true);
      return { ok: true, value: 1 };
    });
    const reads = await marks(hub);
    const second = await note(hub, "while it is away");
    await server(data, sqld.port);
    const third = await note(hub, "after");

    expect(first).toMatchObject({ ok: false, error: { kind: "retryable", code: "unavailable" } });
    expect([second, third]).toEqual([false, true]);
    expect(reads).toEqual(["before"]);
    expect(await marks(hub)).toEqual(["before", "after"]);
    await expectSame(hub.dir, sqld.url);
  });

  it("hangs for longer than callers wait tells them so, and what it does later is taken over by the next start", async () => {
    const sqld = await server(folder());
    const hub = await hubOn(sqld);
    await note(hub, "before");
    sqld.suspend();

    const hung = await note(hub, "hung");
    sqld.resume();
    // It either did what it was sent late, or not at all; never something of both.
    for (let n = 0; n < 20 && hub.diverged.length === 0; n += 1) await note(hub, `after ${n}`);
    await hub.stores.close();
    const again = await hubOn(sqld, hub.dir);

    expect(hung).toBe(false);
    const stored = await marks(again);
    expectOnce(stored, ["before"]);
    expect(stored.includes("hung")).toBe(hub.diverged.length > 0);
    expect(await note(again, "works")).toBe(true);
    await expectSame(hub.dir, sqld.url);
  });

  it("is replaced by something else on its port writes nothing there, and goes on when it is back", async () => {
    const data = folder();
    const sqld = await server(data);
    const hub = await hubOn(sqld);
    await note(hub, "before");
    await sqld.kill();
    const impostor = Bun.serve({
      port: sqld.port,
      hostname: "127.0.0.1",
      fetch: () => Response.json({ hello: "you" }),
    });

    const meanwhile = await note(hub, "meanwhile");
    await impostor.stop(true);
    await server(data, sqld.port);

    expect([meanwhile, await note(hub, "after")]).toEqual([false, true]);
    expect(await marks(hub)).toEqual(["before", "after"]);
    await expectSame(hub.dir, sqld.url);
  });

  it("is replaced by that of another fleet stops, and changes nothing there", async () => {
    const otherData = folder();
    const other = await server(otherData);
    const stranger = await hubOn(other);
    await note(stranger, "theirs");
    await stranger.stores.close();
    await other.kill();
    const sqld = await server(folder());
    const hub = await hubOn(sqld);
    await note(hub, "ours");
    await sqld.kill();
    const impostor = await server(otherData, sqld.port);

    const wrong = await note(hub, "wrong");

    expect(wrong).toBe(false);
    expect(hub.diverged.map(({ code }) => code)).toEqual(["conflict"]);
    await expectSame(stranger.dir, impostor.url);
    await hub.stores.close();
    await expect(openedHub(hub.dir, impostor.url)).rejects.toThrow("another fleet");
    await expectSame(stranger.dir, impostor.url);
  });

  it("has a second writer refuses the first, whose commit changes nothing", async () => {
    const sqld = await server(folder());
    const first = await hubOn(sqld);
    await note(first, "of the first");
    const copy = join(folder(), "copy");
    cpSync(first.dir, copy, { recursive: true });
    const second = await hubOn(sqld, copy);

    const late = await note(first, "late");

    expect(late).toBe(false);
    expect(first.diverged).toHaveLength(1);
    expect(await note(second, "of the second")).toBe(true);
    expect(await marks(second)).toEqual(["of the first", "of the second"]);
    expect(second.stores.identity.epoch).toBe(first.stores.identity.epoch + 1);
    await expectSame(copy, sqld.url);
  });
});
