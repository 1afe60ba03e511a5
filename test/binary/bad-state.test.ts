/**
 * State folders that a node cannot work with: it says so, does not start, and touches nothing.
 *
 * A wall clock that jumps is not tried here, because it would be the clock of the machine: test/simulation/queue jumps
 * it in random histories, and test/unit/queue/service.test.ts at the service.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BinaryNode, BinaryWorld, runBinary, startBinaryNode, tryStartNode } from "../support/binary-node.ts";
import { type MountedFolder, mountedFolder } from "../support/mounted-folder.ts";
import { submitTask } from "../support/node-tasks.ts";

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

const parked = { title: "kept", command: ["true"], runAt: "2999-01-01T00:00:00Z" };
const fleet = (): string => join(world.state, "fleet.db");
const digest = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

/** A state folder with one task, its node stopped. @returns the task's id */
async function usedState(): Promise<string> {
  const first = await startBinaryNode(world);
  const { id } = await submitTask(first, parked);
  expect(await first.stop()).toBe(0);
  return id;
}

/** Starts a node that must not get ready. @returns what it said */
async function refusal(state = world.state, code = 1): Promise<string> {
  const started = await tryStartNode(world, { state });
  if (started.kind === "ready") {
    await started.node.kill();
    throw new Error("the node started");
  }
  expect({ code: started.code, stdout: started.stdout }).toEqual({ code, stdout: "" });
  return started.stderr;
}

/** Everything below a folder but what only tells of an attempt to start. */
function contents(folder: string): Readonly<Record<string, string>> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (name) => statSync(join(folder, name)).isFile() && !/drover\.(lock|pid)|-wal$|-shm$/.test(name),
  );
  return Object.fromEntries(names.toSorted().map((name) => [name, digest(join(folder, name))]));
}

describe("a state folder that another drover uses", () => {
  it("is refused with that drover's process number, and the other goes on", async () => {
    node = await startBinaryNode(world);
    const { id } = await submitTask(node, parked);

    const said = await refusal();

    expect(said).toContain(`process ${node.pid}`);
    expect(said).toContain("drover down");
    expect((await node.request("GET", `/api/tasks/${id}`)).status).toBe(200);
    expect((await node.request("GET", "/health/ready")).status).toBe(200);
  });

  it("is free again after that drover was killed", async () => {
    const first = await startBinaryNode(world);
    const { id } = await submitTask(first, parked);
    await first.kill();

    node = await startBinaryNode(world);

    expect((await node.request("GET", `/api/tasks/${id}`)).status).toBe(200);
  });
});

describe("a database", () => {
  const damages: readonly { readonly how: string; readonly damage: (path: string) => void }[] = [
    { how: "whose first bytes are overwritten", damage: (path) => overwrite(path, 0, 64) },
    { how: "whose pages are overwritten", damage: (path) => overwrite(path, 8_192, 32_768) },
    { how: "that is cut off in the middle", damage: (path) => truncateSync(path, Math.floor(statSync(path).size / 2)) },
    { how: "that is cut off within its first page", damage: (path) => truncateSync(path, 1_000) },
  ];
  it.each(damages)("$how is refused and left as it is", async ({ damage }) => {
    await usedState();
    damage(fleet());
    const before = contents(world.state);

    const said = await refusal();

    expect(said).toContain(`${fleet()} is damaged`);
    expect(said).toContain("There is no backup");
    expect(contents(world.state)).toEqual(before);
  });

  it("that is damaged is brought back by the command that the refusal names", async () => {
    const first = await startBinaryNode(world);
    const { id } = await submitTask(first, parked);
    const backup = runBinary(["backup", "--json", "--state", world.state], { cwd: world.path, env: world.environment });
    expect({ code: backup.code, stderr: backup.stderr }).toEqual({ code: 0, stderr: "" });
    await first.stop();
    overwrite(fleet(), 0, 4_096);
    const damaged = digest(fleet());

    const file = /drover restore ([^"\\\s]+)/.exec(await refusal())?.[1] ?? "";
    const restored = runBinary(["restore", file, "--state", world.state], { cwd: world.path, env: world.environment });
    expect({ code: restored.code, said: restored.stderr }).toMatchObject({ code: 0 });
    node = await startBinaryNode(world);

    expect((await node.request("GET", `/api/tasks/${id}`)).body).toMatchObject({ title: "kept", state: "waiting" });
    // Set aside, not deleted.
    expect(Object.values(contents(world.state))).toContain(damaged);
  });

  it("of a newer drover is refused and left as it is", async () => {
    await usedState();
    // In a process of its own, with SQLite as it comes with Bun.
    const change = `new (require("bun:sqlite").Database)(process.argv[1])
      .run("INSERT INTO schema_migration VALUES (999, 'of the future', 'x', 1)")`;
    expect(spawnSync(process.execPath, ["-e", change, fleet()]).status).toBe(0);
    const before = contents(world.state);

    const said = await refusal();

    expect(said).toContain("has schema 999");
    expect(said).toContain("newer");
    expect(contents(world.state)).toEqual(before);
  });
});

function overwrite(path: string, offset: number, bytes: number): void {
  const file = openSync(path, "r+");
  writeSync(file, Buffer.alloc(bytes, 0xa5), 0, bytes, offset);
}

describe("a path for the state", () => {
  it("that is a file is refused, and the file is left as it is", async () => {
    writeFileSync(world.state, "mine\n");

    const said = await refusal(world.state, 2);

    expect(said).toContain("not a folder");
    expect(readFileSync(world.state, "utf8")).toBe("mine\n");
  });

  it("below a file is refused", async () => {
    writeFileSync(world.state, "mine\n");

    expect(await refusal(join(world.state, "below"))).toContain("--state");
  });
});

describe("a temporary folder", () => {
  it("that does not exist does not keep a node from saying what to do", async () => {
    const missing = join(world.path, "missing");
    const started = await tryStartNode(world, { env: { BUN_TMPDIR: missing } });
    if (started.kind === "ready") node = started.node;

    // Bun may fall back to another folder; if it does not, the refusal has to name the remedy.
    expect(started.kind === "ready" || started.stderr.includes("BUN_TMPDIR")).toBe(true);
  });
});

const probe = mountedFolder(1024 * 1024);
probe?.remove();
if (probe === undefined) console.log("skipped: full and read-only disks need the right to mount a tmpfs");

describe.skipIf(probe === undefined)("a read-only file system", () => {
  let disk: MountedFolder;
  beforeEach(() => {
    const mounted = mountedFolder(16 * 1024 * 1024);
    if (mounted === undefined) throw new Error("could be mounted a moment ago");
    disk = mounted;
  });
  afterEach(() => disk.remove());

  it("without a state folder is refused with what to do", async () => {
    disk.makeReadOnly();

    expect(await refusal(join(disk.path, "state"))).toContain("writable");
    expect(existsSync(join(disk.path, "state"))).toBe(false);
  });

  it("with a state folder is refused and left as it is; made writable, the node has its tasks", async () => {
    const state = join(disk.path, "state");
    mkdirSync(state);
    const first = await startBinaryNode(world, { state });
    const { id } = await submitTask(first, parked);
    await first.stop();
    const before = contents(state);
    disk.makeReadOnly();

    const said = await refusal(state);
    const after = contents(state);
    disk.makeWritable();
    node = await startBinaryNode(world, { state });

    expect(said).toContain("writable");
    expect(after).toEqual(before);
    expect((await node.request("GET", `/api/tasks/${id}`)).status).toBe(200);
  });
});
