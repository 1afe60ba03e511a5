/** What every checkpoint does, and what the file does besides. */
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Checkpoint, type CheckpointEntry, MemoryCheckpoint } from "../../../../src/execution/loop/checkpoint.ts";
import { CheckpointFile } from "../../../../src/execution/loop/io/checkpoint-file.ts";
import type { LoopState } from "../../../../src/execution/loop/loop-state.ts";
import { NO_REPETITION } from "../../../../src/execution/loop/repetition.ts";
import { runLoop, runs, world, writes } from "./loop-world.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "drover-checkpoint-"));
});
const opened: CheckpointFile[] = [];
afterEach(async () => {
  for (const file of opened.splice(0)) await file.close();
  rmSync(folder, { recursive: true, force: true });
});

function fileOf(key: string): CheckpointFile {
  const file = new CheckpointFile(path(), key);
  opened.push(file);
  return file;
}

const path = (): string => join(folder, "checkpoints", "t.jsonl");
const begun = (callId: string): CheckpointEntry => ({ kind: "begun", callId, mark: { hash: null } });

/** A state with every kind of turn, mark and end in it, from a real run, with the events that led there. */
async function someRun(): Promise<{ state: LoopState; entries: readonly CheckpointEntry[] }> {
  const checkpoint = new MemoryCheckpoint();
  const states: LoopState[] = [];
  const append = checkpoint.append.bind(checkpoint);
  checkpoint.append = (entry) => append(entry);
  const w = world(
    [
      writes("a", "x".repeat(20_000)),
      { calls: [...(runs("make").calls ?? []), ...(runs("make").calls ?? []), { name: "none", arguments: {} }] },
      { failure: { kind: "overloaded", isRetryable: true, retryAfterMs: 1, status: 503 } },
      { text: "I will now look." },
      { text: "Done." },
    ],
    { checkpoint: { ...wrap(checkpoint), append: (entry, after) => (states.push(after), append(entry)) } },
  );
  w.clock.after = (delayMs, action) => (delayMs < 60_000 && queueMicrotask(action), { cancel: () => undefined });
  await runLoop(w);
  const state = states.at(-1);
  const saved = await checkpoint.load();
  if (state === undefined || saved === undefined) throw new Error("nothing was kept");
  return { state, entries: saved.entries };
}

function wrap(checkpoint: Checkpoint): Checkpoint {
  return {
    load: () => checkpoint.load(),
    begin: (s) => checkpoint.begin(s),
    append: (e, s) => checkpoint.append(e, s),
  };
}

describe.each([
  ["in memory", (): Checkpoint => new MemoryCheckpoint()],
  ["in a file", (): Checkpoint => fileOf("t 1")],
])("a checkpoint %s", (_, make) => {
  it("has nothing to load at first", async () => {
    expect(await make().load()).toBeUndefined();
  });

  it("gives back the state and every entry of a real run unchanged", async () => {
    const { state, entries } = await someRun();
    const checkpoint = make();

    expect(await checkpoint.begin(state)).toBeUndefined();
    for (const entry of entries) expect(await checkpoint.append(entry, state)).toBeUndefined();

    expect(entries.length).toBeGreaterThan(6);
    expect(await checkpoint.load()).toEqual({ state, entries });
  });

  it("forgets what was before a new beginning", async () => {
    const { state } = await someRun();
    const checkpoint = make();

    await checkpoint.begin(state);
    await checkpoint.append(begun("c1_0"), state);
    await checkpoint.begin({ ...state, replies: 77 });

    expect(await checkpoint.load()).toEqual({ state: { ...state, replies: 77 }, entries: [] });
  });
});

describe("a checkpoint file", () => {
  it("is found by another process of the task, is not readable for others, and is gone once removed", async () => {
    const { state } = await someRun();
    const file = fileOf("t 1");
    await file.begin(state);
    await file.append(begun("c1_0"), state);
    await file.close();

    expect((await fileOf("t 1").load())?.entries).toEqual([begun("c1_0")]);
    expect(statSync(path()).mode & 0o777).toBe(0o600);

    await file.remove();
    expect(await fileOf("t 1").load()).toBeUndefined();
  });

  it("is not taken up under another key, nor in another version", async () => {
    const { state } = await someRun();
    const file = fileOf("t 1");
    await file.begin(state);

    expect(await fileOf("t 2").load()).toBeUndefined();
    writeFileSync(path(), readFileSync(path(), "utf8").replace('"v":2', '"v":3'));
    expect(await file.load()).toBeUndefined();
  });

  it("cut at any byte gives a whole beginning of its entries, or nothing", async () => {
    const { state } = await someRun();
    const small = { ...state, turns: [], repetition: NO_REPETITION };
    const file = fileOf("t 1");
    const entries = [begun("c1_0"), begun("c1_1"), begun("c2_0")];
    await file.begin(small);
    const headBytes = statSync(path()).size;
    for (const entry of entries) await file.append(entry, small);

    for (let bytes = statSync(path()).size; bytes >= 0; bytes -= 1) {
      truncateSync(path(), bytes);
      const saved = await file.load();
      // The newline at the end of a line may be lacking: the line is whole without it.
      expect(saved !== undefined, `cut at ${bytes}`).toBe(bytes >= headBytes - 1);
      expect(saved?.entries ?? []).toEqual(entries.slice(0, saved?.entries.length ?? 0));
    }
  });

  it("reads no further than a damaged line", async () => {
    const { state } = await someRun();
    const file = fileOf("t 1");
    await file.begin(state);
    await file.append(begun("c1_0"), state);
    appendFileSync(path(), '{"kind":"event","event":{"kind":"replied"}}\n');
    await file.append(begun("c2_0"), state);

    expect((await file.load())?.entries).toEqual([begun("c1_0")]);
  });

  it("stays small however long the loop runs, and loses nothing by that", async () => {
    const { state } = await someRun();
    const file = fileOf("t 1");
    await file.begin(state);
    const event = {
      kind: "corrected",
      prompt: "p".repeat(100_000),
      report: { passed: false, checks: [] },
    } as const;
    let largest = 0;

    for (let index = 1; index <= 60; index += 1) {
      expect(await file.append({ kind: "event", event }, { ...state, replies: index })).toBeUndefined();
      largest = Math.max(largest, statSync(path()).size);
    }

    const saved = await file.load();
    expect(largest).toBeLessThan(1_500_000);
    expect((saved?.state.replies ?? 0) + (saved?.entries.length ?? 0)).toBe(60);
  });

  it("is not heard from any more once another worker has begun", async () => {
    const { state } = await someRun();
    const [lost, next] = [fileOf("t 1"), fileOf("t 1")];
    await lost.begin(state);
    await next.begin(state);

    expect(await lost.append(begun("late"), state)).toBeUndefined();

    expect((await next.load())?.entries).toEqual([]);
  });

  it("says what is wrong when it cannot be written", async () => {
    const { state } = await someRun();
    writeFileSync(join(folder, "checkpoints"), "a file where a folder should be");

    expect((await fileOf("t 1").begin(state))?.message).toContain("begin checkpoint");
  });
});
