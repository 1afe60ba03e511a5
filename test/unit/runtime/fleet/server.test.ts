import { generateKeyPairSync } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ok } from "#base";
import type { KeptProcesses } from "#watchdog";
import { hasServer } from "../../../../src/runtime/fleet/server-executable.ts";
import { databaseFolderOf } from "../../../../src/runtime/fleet/server-process.ts";
import { ensureServerKey, serverToken } from "../../../../src/runtime/fleet/server-tokens.ts";
import { freePort, listensAt } from "../../../../src/watchdog/io/loopback-port.ts";
import { identify } from "../../../../src/watchdog/io/process-table.ts";
import { ask, keptProcesses, type OpenHub, openHub, plainDatabase, servesAgain } from "../../../support/hub-server.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { waitUntil } from "../../../support/wait-until.ts";

const temporaryFolder = temporaryFolders();
let state: string;
const running: KeptProcesses[] = [];

async function hub(
  ...args: Parameters<typeof openHub> extends [string, ...infer Rest] ? Rest : never
): Promise<OpenHub> {
  const opened = await openHub(state, ...args);
  running.push(opened.kept);
  return opened;
}

const all = "SELECT name FROM thing ORDER BY rowid";

describe.skipIf(!hasServer())("the libSQL server of a hub", () => {
  beforeEach(() => {
    state = temporaryFolder();
  });
  afterEach(async () => {
    for (const kept of running.splice(0)) await kept.stop(5_000);
  });

  it("answers whoever has a token of this hub, and as far as the token says", async () => {
    const { server } = await hub();
    const { key } = ensureServerKey(join(state, "hub"));
    const stranger = generateKeyPairSync("ed25519").privateKey;
    const soonMs = Date.now() + 60_000;

    expect(await ask(server.url, server.token("rw"), "CREATE TABLE a (b)")).toMatchObject({ rows: [] });
    expect(await ask(server.url, server.token("ro"), "SELECT count(*) FROM a")).toMatchObject({ rows: ["0"] });
    expect((await ask(server.url, server.token("ro"), "INSERT INTO a VALUES (1)")).error).toMatch(
      /not have Write permission/,
    );
    expect((await ask(server.url, undefined, "SELECT 1")).status).toBe(401);
    expect((await ask(server.url, serverToken(stranger, "rw", soonMs), "SELECT 1")).status).toBe(401);
    expect((await ask(server.url, serverToken(key, "rw", Date.now() - 120_000), "SELECT 1")).status).toBe(401);
    expect((await ask(server.url, serverToken(key, "rw", soonMs), "SELECT 1")).status).toBe(200);
  });

  it("that is killed is back on another port with every row, and the node is told", async () => {
    const opened = await hub((folder) => {
      plainDatabase(folder).close();
      return ok(undefined);
    });
    const { server } = opened;
    const first = opened.report();
    const addresses: (string | null)[] = [];
    server.onChange(() => addresses.push(server.url));
    await ask(server.url, server.token("rw"), "INSERT INTO thing VALUES ('third')");

    process.kill(first.pid ?? 0, "SIGKILL");
    const second = await servesAgain(opened, first.generation);

    expect(second.port).not.toBe(first.port);
    expect(second.fault).toMatch(/SIGKILL/);
    expect(addresses).toEqual([null, server.url]);
    expect(await ask(server.url, server.token("ro"), all)).toMatchObject({ rows: ["first", "second", "third"] });
  });

  it("that stands still is replaced", async () => {
    const opened = await hub();
    const first = opened.report();

    const stoppedMs = performance.now();
    process.kill(first.pid ?? 0, "SIGSTOP");
    const second = await servesAgain(opened, first.generation);

    expect(second.fault).toMatch(/probe/);
    // A probe that is not answered, the grace of a signal that is not heard, and the next start.
    expect(performance.now() - stoppedMs).toBeLessThan(10_000);
    expect(identify(first.pid ?? 0)).toBeUndefined();
  });

  it("takes over a plain database that lies there, with what is only in its journal", async () => {
    const source = join(temporaryFolder(), "source");
    const writer = plainDatabase(source);
    const { server } = await hub((folder) => {
      // As a node that was killed leaves it: nothing was written back.
      mkdirSync(folder, { recursive: true });
      for (const name of ["data", "data-wal"]) copyFileSync(join(source, name), join(folder, name));
      return ok(undefined);
    });
    writer.close();

    expect(await ask(server.url, server.token("ro"), all)).toMatchObject({ rows: ["first", "second"] });
  });

  it("is taken over by whoever keeps it next, and not started a second time on the same data", async () => {
    const before = await hub();
    const { pid, port } = before.report();

    // The first keeper is not stopped: as if it had been killed, it says no more.
    const after = await hub();

    expect(after.report()).toMatchObject({ pid, port, phase: "running" });
    expect((await ask(after.server.url, after.server.token("rw"), "SELECT 1")).status).toBe(200);
  });

  it("ends when nobody wants it any more, also for one who did not start it", async () => {
    const { report } = await hub();
    const { pid } = report();

    const next = keptProcesses(state);
    running.push(next);
    next.want([], () => undefined);

    const ended = await waitUntil("the server has ended", () => identify(pid ?? 0) === undefined);
    expect(ended).toBe(true);
  });

  it("leaves no process when it is stopped, and goes on with its rows at the next start", async () => {
    const first = await hub();
    await ask(first.server.url, first.server.token("rw"), "CREATE TABLE thing (name)");
    await ask(first.server.url, first.server.token("rw"), "INSERT INTO thing VALUES ('kept')");
    const { pid } = first.report();

    await first.kept.stop(5_000);

    expect(identify(pid ?? 0)).toBeUndefined();
    const second = await hub();
    expect(await ask(second.server.url, second.server.token("ro"), all)).toMatchObject({ rows: ["kept"] });
  });

  it("keeps its files within its folder, its private key to itself, and one listener on loopback", async () => {
    const { report } = await hub();
    const { pid, port } = report();

    expect(existsSync(join(databaseFolderOf(state), "data"))).toBe(true);
    expect(readFileSync(join(state, "hub", "server-key.pub.pem"), "utf8")).not.toContain("PRIVATE");
    expect(listensAt(pid ?? 0, port ?? 0)).toBe(true);
    expect(listensAt(process.pid, port ?? 0)).toBe(false);
    expect(listensAt(pid ?? 0, freePort())).toBe(false);
  });
});
