/**
 * How a replica follows a hub's server under steady writes: `bun test/bench/replica/main.ts [SECONDS]` (60).
 * The lag of commits, how late timers are, and whether a read beside it ever saw anything but one commit after the other;
 * then the same with a server that stands still for 15 s.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "#base";
import { commit, type Following, LoopGap, ReplicaWorld } from "../../conformance/replica/replica-world.ts";
import { realClock } from "../../support/real-clock.ts";
import type { ReplicaSqld } from "../../support/replica-sqld.ts";
import { benchSeconds } from "../machine/arguments.ts";

const EVENTS_PER_COMMIT = 20;
const STILL_MS = 15_000;
const SHOWN_LIMIT_MS = 60_000;

const seconds = benchSeconds("bun run bench:replica [SECONDS]", 60);
const folder = mkdtempSync(join(tmpdir(), "drover-replica-"));
let folders = 0;
const world = new ReplicaWorld(() => {
  folders += 1;
  return mkdtempSync(join(folder, `${folders}-`));
});

type Reads = { count: number; readonly faults: string[]; isOver: boolean };

/** Reads beside the replica until it is over: every commit has its events, and none comes before an earlier one. */
async function readBeside(following: Following, reads: Reads): Promise<void> {
  const sql = "SELECT seq, (SELECT count(*) FROM event), (SELECT max(at_ms) FROM event) FROM fleet_commit";
  let before = 0;
  while (!reads.isOver) {
    const [seq = 0, events = 0, latest = 0] = following.replica.store.reading.prepare(sql).get([])?.map(Number) ?? [];
    if (seq < before || events !== EVENTS_PER_COMMIT * seq || latest !== seq) {
      reads.faults.push(`after ${before}: seq ${seq}, ${events} events, the latest of ${latest}`);
    }
    before = seq;
    reads.count += 1;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

async function measureLags(hub: ReplicaSqld, following: Following): Promise<number[]> {
  const lagsMs: number[] = [];
  const waits: Promise<void>[] = [];
  const endMs = performance.now() + seconds * 1_000;
  while (performance.now() < endMs) {
    const seq = await commit(hub, 1, EVENTS_PER_COMMIT);
    const beganMs = performance.now();
    const wait = following.shows(seq, 0, SHOWN_LIMIT_MS).then((isThere) => {
      if (!isThere) throw new Error(`commit ${seq} did not come in ${SHOWN_LIMIT_MS} ms`);
      lagsMs.push(performance.now() - beganMs);
    });
    waits.push(wait);
  }
  await Promise.all(waits);
  return lagsMs.sort((a, b) => a - b);
}

async function standStill(hub: ReplicaSqld, following: Following): Promise<void> {
  hub.signal("SIGSTOP");
  const gap = new LoopGap();
  following.replica.follow({ epoch: 0, seq: 1e9 });
  await new Promise((resolve) => setTimeout(resolve, STILL_MS));
  const { state, staleMs } = following.replica.freshness();
  const read = await following.replica.store.eventRange();
  console.log(
    `server stood still for ${STILL_MS / 1_000} s: timers at most ${gap.stop().toFixed(0)} ms late, ` +
      `state ${state}, ${(staleMs / 1_000).toFixed(1)} s old, reads ${read.ok ? "went on" : "failed"}`,
  );
  hub.signal("SIGCONT");
  const beganMs = performance.now();
  const isThere = await following.shows(await commit(hub, 1, EVENTS_PER_COMMIT), 0, SHOWN_LIMIT_MS);
  console.log(`${isThere ? "followed again" : "NOT followed"} after ${(performance.now() - beganMs).toFixed(0)} ms`);
  if (!isThere) process.exitCode = 1;
}

try {
  const hub = await world.hub();
  const write = (line: string): void => console.log(line);
  const following = await world.follow(hub, createLogger({ level: "warn", format: "human", clock: realClock, write }));
  const gap = new LoopGap();
  const reads: Reads = { count: 0, faults: [], isOver: false };
  const reading = readBeside(following, reads);
  const lagsMs = await measureLags(hub, following);
  reads.isOver = true;
  await reading;
  const at = (share: number): string => (lagsMs[Math.floor((lagsMs.length - 1) * share)] ?? 0).toFixed(0);
  console.log(`${lagsMs.length} commits: lag p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`);
  const verdict = following.replica.store.reading.prepare("PRAGMA integrity_check").get([])?.[0];
  const faults = `${reads.faults.length} wrong${reads.faults.length === 0 ? "" : `, first ${reads.faults[0]}`}`;
  console.log(`${reads.count} reads beside it: ${faults}; integrity check: ${verdict}`);
  console.log(`timers at most ${gap.stop().toFixed(0)} ms late`);
  if (reads.faults.length > 0 || verdict !== "ok") process.exitCode = 1;
  await standStill(hub, following);
} finally {
  await world.end();
  rmSync(folder, { recursive: true, force: true });
}
