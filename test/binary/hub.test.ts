import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { identify } from "../../src/watchdog/io/process-table.ts";
import { type BinaryNode, BinaryWorld, nodePidOf, startBinaryNode, tryStartNode } from "../support/binary-node.ts";
import { killPid } from "../support/binary-processes.ts";
import { waitUntil } from "../support/wait-until.ts";

let world: BinaryWorld;
let node: BinaryNode | undefined;

beforeEach(() => {
  world = new BinaryWorld();
});
afterEach(async () => {
  await node?.kill();
  node = undefined;
  world.remove();
});

async function start(watched: boolean): Promise<BinaryNode> {
  const started = await startBinaryNode(world, { watched, env: { DROVER_NODE_ROLE: "hub" } });
  node = started;
  // node.json is there some milliseconds before a node without a watchdog listens to signals.
  await waitUntil("it listens to SIGTERM", () => catchesTerm(started.pid));
  return started;
}

function catchesTerm(pid: number): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? "0";
  return (BigInt(`0x${mask}`) & (1n << 14n)) !== 0n;
}

/** The processes that run the server which lies in the state folder. */
function servers(): readonly number[] {
  const folder = join(world.state, "hub", "bin");
  return world
    .processes()
    .map(({ pid }) => pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith(folder);
      } catch {
        return false;
      }
    });
}

function serverOtherThan(before: number | undefined): Promise<number> {
  return waitUntil("another server runs", () => {
    const [pid] = servers();
    return pid !== undefined && pid !== before && pid;
  });
}

describe("the server of a hub, from the executable", () => {
  it("outlives a restart and a crash of the node, is started again after its own, and ends with drover", async () => {
    const hub = await start(true);
    const [server, ...others] = servers();
    expect(others).toEqual([]);
    for (const replace of [
      () => hub.request("POST", "/api/nodes/self/restart"),
      () => Promise.resolve(killPid(nodePidOf(world.state) ?? 0)),
    ]) {
      const before = nodePidOf(world.state);
      await replace();
      await waitUntil("another node is ready", () => nodePidOf(world.state) !== before && nodePidOf(world.state));
      expect(servers()).toEqual([server]);
    }

    killPid(server ?? 0);
    const next = await serverOtherThan(server);
    expect(servers()).toEqual([next]);

    expect(await hub.stop()).toBe(0);
    expect(identify(next)).toBeUndefined();
    expect(servers()).toEqual([]);
  });

  it("of a node without a watchdog that was killed is taken over by the next, and ends with it", async () => {
    const first = await start(false);
    const [server] = servers();
    expect(server).toBeDefined();

    await first.kill();
    expect(servers()).toEqual([server]);
    const second = await start(false);

    expect(servers()).toEqual([server]);
    expect(await second.stop()).toBe(0);
    expect(servers()).toEqual([]);
  });

  it("is left alone by a second drover on the same folder, which is refused", async () => {
    await start(false);
    const [server] = servers();

    const second = await tryStartNode(world, { watched: false, env: { DROVER_NODE_ROLE: "hub" } });

    expect(second.kind === "ended" ? second.stderr : "").toMatch(/used by another drover|runs on this state folder/);
    expect(servers()).toEqual([server]);
  });

  it("is unpacked again when its file was damaged while it stood still", async () => {
    const first = await start(false);
    expect(await first.stop()).toBe(0);
    const folder = join(world.state, "hub", "bin");
    const [name] = readdirSync(folder);
    const path = join(folder, name ?? "");
    const { size } = statSync(path);
    writeFileSync(path, "damaged");

    await start(false);

    expect(statSync(path).size).toBe(size);
    expect(servers()).toHaveLength(1);
  });
});
