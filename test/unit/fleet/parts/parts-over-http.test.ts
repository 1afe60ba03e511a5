/** Logs and large results over real files and real HTTP: resumed, refused, damaged, followed. */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type NodeId, present, retryable, type TaskId } from "#base";
import type { PartBlob, PartKey } from "#fleet";
import { must } from "../../../support/opened-stores.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { waitUntil } from "../../../support/wait-until.ts";
import { containing } from "../../api/api-harness.ts";
import {
  appendLog,
  type Disk,
  type Hub,
  joinedMember,
  logOf,
  type Member,
  makeDisk,
  readWhole,
  startHub,
  Tasks,
  writeLog,
} from "./parts-world.ts";

const folder = temporaryFolders();
const MIB = 1024 * 1024;
const cleanUps: (() => unknown)[] = [];
let tasks: Tasks;
let hub: Hub;
let member: Member;
/** As the long poll of a node does. */
const told = new Map<NodeId, (key: PartKey) => void>();

beforeEach(async () => {
  tasks = new Tasks();
  await begin(await makeDisk(folder()), await makeDisk(folder()));
});
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function begin(hubDisk: Disk, memberDisk: Disk): Promise<void> {
  hub = await startHub(tasks, hubDisk, (node, key) => told.get(node)?.(key));
  cleanUps.push(() => hub.box.stop());
  member = await anotherMember(memberDisk);
}

async function anotherMember(disk: Disk, role: "member" | "reader" = "member"): Promise<Member> {
  const joined = await joinedMember(hub, tasks, disk, role);
  told.set(joined.box.id, (key) => joined.pusher.follow(key));
  cleanUps.push(() => joined.box.stop());
  cleanUps.push(() => joined.pusher.stop());
  return joined;
}

function output(taskId: TaskId): PartKey {
  return { taskId, attempt: 1, part: "output" };
}

function endedWith(content: string | Uint8Array): PartKey {
  const key = output(tasks.running(member.box.id));
  writeLog(member.disk, key, content);
  tasks.ended(key.taskId, member.box.id);
  return key;
}

/** Sends until the hub has everything. */
async function upload(keys: readonly PartKey[]): Promise<void> {
  const uploads = member.uploads();
  cleanUps.push(() => uploads.stop());
  must(uploads.want(keys));
  uploads.start();
  await waitUntil("everything is sent", () => must(member.disk.blobs.unsent(1, 1)).length === 0);
  uploads.stop();
}

/** @returns what the hub has of a part, after a node has offered what it keeps. */
async function sentBy(node: Member, key: PartKey): Promise<PartBlob | undefined> {
  // As it is for a hub of a later epoch.
  must(node.disk.blobs.offered(key, 0));
  const uploads = node.uploads();
  cleanUps.push(() => uploads.stop());
  uploads.start();
  await waitUntil("it was offered", () => must(node.disk.blobs.unsent(1, 1)).length === 0);
  uploads.stop();
  return must(hub.disk.blobs.find(key));
}

function blobFilesOf({ folder: at }: Disk): readonly string[] {
  const root = join(at, "blobs");
  return readdirSync(root)
    .filter((shelf) => shelf !== "begun")
    .flatMap((shelf) => readdirSync(join(root, shelf)).map((name) => join(root, shelf, name)));
}

describe("the log of an attempt that has ended", () => {
  it("is compressed, sent, and read everywhere, also when its node is away", async () => {
    const text = "a line that comes again and again\n".repeat(20_000);
    const key = endedWith(text);
    const other = await anotherMember(await makeDisk(folder()));

    await upload([key]);
    await member.box.stop();
    told.clear();

    expect(member.sent.bytes).toBeLessThan(text.length / 20);
    expect((await readWhole(hub.reader, key)).toString()).toBe(text);
    expect((await readWhole(other.reader, key)).toString()).toBe(text);
    expect(blobFilesOf(member.disk)).toEqual([]); // The log itself is still there.
  });

  it("PU2: that was cut in the middle goes on where it was, after both have started anew", async () => {
    const content = randomBytes(5 * MIB);
    const key = endedWith(content);
    const uploads = member.uploads();
    let pieces = 0;
    member.beforePiece.call = () => {
      pieces += 1;
      if (pieces === 4) uploads.stop();
      if (pieces >= 4) throw new Error("killed");
    };
    must(uploads.want([key]));
    uploads.start();
    await waitUntil("it was killed", () => pieces >= 4);
    await hub.box.stop();
    const arrived = statSync(join(hub.disk.folder, "blobs", "begun", onlyBegun(hub.disk))).size;
    await begin(await makeDisk(hub.disk.folder, hub.disk.blobs), await makeDisk(member.disk.folder, member.disk.blobs));
    // In this world a box has another id after its start.
    tasks.ended(key.taskId, member.box.id);
    const begun = present(must(member.disk.blobs.find(key)), "it was packed");
    must(member.disk.blobs.put({ ...begun, node: member.box.id }));

    await upload([]);

    expect(arrived).toBe(2 * MIB);
    const packed = must(hub.disk.blobs.find(key));
    expect(member.sent.bytes).toBe((packed?.bytes ?? 0) - arrived);
    expect((await readWhole(hub.reader, key)).equals(content)).toBe(true);
  });

  it("PU4: is offered to a new hub by the one before, when the node that ran it is gone", async () => {
    const key = endedWith("only the former hub has it\n".repeat(1_000));
    await upload([key]);
    await Promise.all([member.box.stop(), hub.box.stop()]);
    const kept = must(hub.disk.blobs.find(key));
    // The former hub, as a member of the new one.
    await begin(await makeDisk(folder()), hub.disk);
    const refused = await sentBy(member, key);
    await hub.box.nodes.putHub({ epoch: 1, node: member.box.id, url: "http://former", atMs: 1, why: "promoted" });
    const taken = await sentBy(member, key);

    expect([refused, taken]).toEqual([undefined, kept]);
    expect((await readWhole(hub.reader, key)).toString()).toContain("only the former hub has it");
    // It keeps it all the same.
    expect(must(member.disk.blobs.find(key))).toEqual(kept);
    expect(blobFilesOf(member.disk)).toHaveLength(1);
  });

  it("stays with its node when the hub does not keep any that are so long, and is read from there", async () => {
    const small = await makeDisk(folder(), undefined, 1_000);
    await hub.box.stop();
    await begin(small, member.disk);
    const key = endedWith(randomBytes(MIB));

    await upload([key]);

    expect(must(hub.disk.blobs.find(key))).toBeUndefined();
    expect((await readWhole(hub.reader, key)).equals(readFileSync(logOf(member.disk.folder, key)))).toBe(true);
  });

  it("waits on its node while the disk of the hub is low, and arrives afterwards", async () => {
    const key = endedWith("what was printed\n");
    hub.disk.held = retryable("disk_full", "the disk is low");
    const uploads = member.uploads();
    cleanUps.push(() => uploads.stop());
    must(uploads.want([key]));
    uploads.start();
    await waitUntil("it was refused", () => hub.disk.refusals > 0);
    const waiting = must(member.disk.blobs.unsent(1, 1));
    hub.disk.held = undefined;
    await waitUntil("it is sent", () => must(member.disk.blobs.unsent(1, 1)).length === 0);

    expect(waiting).toMatchObject([key]);
    expect((await readWhole(hub.reader, key)).toString()).toBe("what was printed\n");
  });

  it("that was damaged on the hub's disk is read from its node again", async () => {
    const key = endedWith("the first\n");
    await upload([key]);
    for (const path of blobFilesOf(hub.disk)) writeFileSync(path, "damaged\n");

    const again = await readWhole(hub.reader, key);

    expect(again.toString()).toBe("the first\n");
    expect(must(hub.disk.blobs.find(key))).toBeUndefined();
  });
});

describe("what a hub refuses", () => {
  const target = (key: PartKey, hash: string, bytes: number): string =>
    `/api/fleet/blobs/${hash}?taskId=${key.taskId}&attempt=1&part=output&encoding=none&rawBytes=3&bytes=${bytes}&offset=0`;
  const hash = "a".repeat(64);
  const limits = { deadlineMs: 5_000 };
  const three = new TextEncoder().encode("abc");

  it("bytes of another hash, of another node's attempt, of a task that is gone, and pieces that are too long", async () => {
    const key = endedWith("abc");
    const others = output(tasks.ended(tasks.running(hub.box.id), hub.box.id));
    const gone = endedWith("abc");
    tasks.gone(gone.taskId);
    const { transport } = member;

    const refusals = await Promise.all([
      transport.send(target(key, hash, 3), three, limits),
      transport.send(target(others, hash, 3), three, limits),
      transport.send(target(gone, hash, 3), three, limits),
      transport.send(target(key, hash, 2 * MIB), new Uint8Array(MIB + 1), limits),
      transport.send(target(key, "A", 3), three, limits),
    ]);

    expect(refusals).toMatchObject([
      { error: { kind: "refused", code: "invalid", message: containing("have the hash ba7816bf") } },
      { error: { kind: "refused", code: "conflict", message: containing("another node's") } },
      { error: { kind: "refused", code: "not_found" } },
      { error: { kind: "refused", code: "too_large" } },
      { error: { kind: "refused", code: "invalid" } },
    ]);
    expect(blobFilesOf(hub.disk)).toEqual([]);
  });

  it("what a reader sends, not what it reads", async () => {
    const key = endedWith("abc");
    await upload([key]);
    const reader = await anotherMember(await makeDisk(folder()), "reader");

    const refusal = await reader.transport.send(target(key, hash, 3), three, limits);

    expect(refusal).toMatchObject({ error: { code: "forbidden" } });
    expect((await readWhole(reader.reader, key)).toString()).toBe("abc");
  });
});

describe("the log of an attempt that runs", () => {
  it("PR1: is followed on the hub and on another node while it grows, every byte once, to its end", async () => {
    const other = await anotherMember(await makeDisk(folder()));
    const key = output(tasks.running(member.box.id));
    member.disk.runs.add(key.taskId);
    const before = must(await hub.reader.read(key, 0, 100));
    let written = "";
    const reading = [hub.reader, other.reader].map((reader) => follow(reader, key));
    for (let line = 0; line < 20; line += 1) {
      written += `line ${line}\n`;
      appendLog(member.disk, key, `line ${line}\n`);
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    member.disk.runs.delete(key.taskId);
    tasks.ended(key.taskId, member.box.id);

    expect(await Promise.all(reading)).toEqual([written, written]);
    // Before anything was printed there was no log.
    expect(before).toBeUndefined();
  }, 15_000);

  it("is not sent by a node that does not run it", async () => {
    const other = await anotherMember(await makeDisk(folder()));
    const key = output(tasks.running(member.box.id));
    void hub.reader.read(key, 0, 100);
    const push = { ...key, offset: 0, bytes: "AAAA", sizeBytes: 3, isWhole: true };

    const refusal = await other.transport.request("POST", "/api/fleet/parts/push", push, { deadlineMs: 5_000 });

    expect(refusal).toMatchObject({ ok: false, error: { code: "conflict" } });
  });
});

/** As a stream of a log does: again and again from where it is. */
async function follow(reader: Hub["reader"], key: PartKey): Promise<string> {
  let text = "";
  for (;;) {
    const slice = must(await reader.read(key, Buffer.byteLength(text), 8));
    if (slice === undefined) continue;
    text += Buffer.from(slice.bytes).toString();
    if (slice.isWhole && Buffer.byteLength(text) >= slice.sizeBytes) return text;
  }
}

function onlyBegun({ folder: at }: Disk): string {
  const begun = readdirSync(join(at, "blobs", "begun"));
  if (begun.length !== 1 || begun[0] === undefined) throw new Error(`begun: ${begun.join(", ")}`);
  return begun[0];
}
