/** What simulated sidecars do, in a process of their own: it prints "began" when they do, and at the end what came of it. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeFailure, silentLogger, type TaskId } from "#base";
import { announcedLevels, OWN_LEVELS, type Position } from "#fleet";
import { requirementsText } from "../../../src/api/requirements.ts";
import { realClock, realRandom } from "../../../src/runtime/real-clock.ts";
import { openReplica } from "../../../src/store/replica/replica.ts";
import { must } from "../../support/opened-stores.ts";
import { attemptReport, newTask } from "../../support/queue-world.ts";
import { type Identity, makeIds, type Sidecar, sidecarOf } from "./sidecars.ts";

export type Load = { readonly sidecars: readonly Identity[]; readonly seconds: number } & (
  | { readonly kind: "cycle"; readonly callers: number; readonly batch: number; readonly submits: boolean }
  | { readonly kind: "claims" | "lag" | "answer"; readonly perSecond: number }
  | { readonly kind: "idle" }
);

/** `count` of what is counted, or `ms` of what is timed. */
export type Outcome = { readonly count: number; readonly ms: readonly number[] };

/** A label that the hub has not, so that it runs none of this itself. */
const REQUIREMENTS = requirementsText({
  executor: "shell",
  labels: { bench: "yes" },
  models: [],
  vramBytes: 0,
});

const BODY = JSON.stringify({ title: "no-op", executor: "shell", command: ["true"], notes: "x".repeat(60) });
const HEARTBEAT_MS = 5_000;
const WAIT_MS = 25_000;
const LOOK_MS = 2;
const SETTLE_MS = 500;
const VISIBLE_LIMIT_MS = 10_000;

const ids = makeIds();

export async function runLoad(file: string): Promise<void> {
  const load = JSON.parse(readFileSync(file, "utf8")) as Load; // `as`: written by the process that started this one
  const sidecars = load.sidecars.map(sidecarOf);
  // The first request of each learns the hub's session.
  await Promise.all(sidecars.map((one) => one.link.heartbeat(heartbeat())));
  console.log("began");
  const endMs = performance.now() + load.seconds * 1_000;
  console.log(JSON.stringify(await run(load, sidecars, endMs)));
  process.exit(0);
}

function run(load: Load, sidecars: readonly Sidecar[], endMs: number): Promise<Outcome> {
  switch (load.kind) {
    case "cycle":
      return cycle(load, sidecars, endMs);
    case "claims":
      return claims(load.perSecond, sidecars, endMs);
    case "lag":
    case "answer":
      return lag(load, sidecars, endMs);
    case "idle":
      return idle(sidecars, endMs);
  }
}

const heartbeat = () => ({ held: [], heard: [], announced: { running: 0, ...announcedLevels(OWN_LEVELS) } });

function task() {
  return newTask(ids.task(), { body: BODY, requirements: REQUIREMENTS });
}

/** Each caller submits a batch, claims as many, and reports those it got; a task counts when its report was answered. */
async function cycle(
  { callers, batch, submits }: Extract<Load, { kind: "cycle" }>,
  sidecars: readonly Sidecar[],
  endMs: number,
): Promise<Outcome> {
  let count = 0;
  const turn = async ({ link }: Sidecar): Promise<number> => {
    if (submits) {
      const tasks = Array.from({ length: batch }, task);
      must(await link.commands([{ id: ids.command(), kind: "submit", args: { tasks } }]));
    }
    const { tasks } = must(await link.claim({ id: ids.command(), limit: batch, accepts: [REQUIREMENTS] }));
    if (tasks.length === 0) return 0;
    const finish = tasks.map(({ row, fence }) => ({
      id: ids.command(),
      kind: "finish" as const,
      args: { taskId: row.id, fence, report: attemptReport() },
    }));
    const { results } = must(await link.commands(finish));
    return results.filter(({ ok }) => ok).length;
  };
  const loops = sidecars.flatMap((sidecar) =>
    Array.from({ length: callers }, async () => {
      while (performance.now() < endMs) {
        const done = await turn(sidecar);
        if (done === 0 && !submits) return;
        count += done;
      }
    }),
  );
  await Promise.all(loops);
  return { count, ms: [] };
}

/** All wait for work as a node does; one task at a time is submitted, and whoever is first has it. */
async function claims(perSecond: number, sidecars: readonly Sidecar[], endMs: number): Promise<Outcome> {
  const submitted = new Map<TaskId, number>();
  const ms: number[] = [];
  for (const { link } of sidecars) {
    void follow(link, endMs, async () => {
      const { tasks } = must(await link.claim({ id: ids.command(), limit: 1, accepts: [REQUIREMENTS] }));
      const nowMs = performance.now();
      for (const { row, fence } of tasks) {
        ms.push(nowMs - (submitted.get(row.id) ?? Number.NaN));
        const args = { taskId: row.id, fence, report: attemptReport() };
        must(await link.commands([{ id: ids.command(), kind: "finish", args }]));
      }
    });
  }
  const [submitter] = sidecars;
  if (submitter === undefined) throw new Error("claims need a sidecar");
  while (performance.now() < endMs) {
    const one = task();
    submitted.set(one.id, performance.now());
    must(await submitter.link.commands([{ id: ids.command(), kind: "submit", args: { tasks: [one] } }]));
    await new Promise((resolve) => setTimeout(resolve, (1_000 / perSecond) * (0.5 + Math.random())));
  }
  return { count: ms.length, ms };
}

/** The long poll of a node. */
async function follow(
  link: Sidecar["link"],
  endMs: number,
  isReady: () => Promise<void>,
  heard: (position: Position) => Promise<unknown> = async () => undefined,
  shown?: () => Position,
): Promise<void> {
  let seq = 0;
  let readySeen = 0;
  while (performance.now() < endMs) {
    const at = shown?.();
    const copy = at === undefined ? { seq } : { seq: at.seq, seqEpoch: at.epoch };
    const answer = await link.wait({ ...copy, readySeen, waitMs: WAIT_MS });
    if (!answer.ok) continue;
    const isNew = answer.value.ready !== readySeen;
    ({ seq, ready: readySeen } = answer.value);
    await heard(answer.value);
    if (isNew) await isReady();
  }
}

/**
 * From the answer to a submission of one node until the replica of another shows its commit (lag), or from sending it
 * until it is answered while that replica follows (answer).
 */
async function lag(
  { kind, perSecond }: Extract<Load, { perSecond: number }>,
  sidecars: readonly Sidecar[],
  endMs: number,
): Promise<Outcome> {
  const [submitter, reader] = sidecars;
  if (submitter === undefined || reader === undefined) throw new Error("lag needs two sidecars");
  const dir = mkdtempSync(join(tmpdir(), "drover-bench-replica-"));
  const { fleet } = reader;
  const carry = reader.client.carry.bind(reader.client);
  const options = { clock: realClock, random: realRandom(), logger: silentLogger, carry, fleet };
  const replica = must(await openReplica(join(dir, "fleet.db"), options));
  const ms: number[] = [];
  try {
    void follow(
      reader.link,
      // Longer than the last submission waits for it.
      endMs + VISIBLE_LIMIT_MS,
      async () => undefined,
      (at) => {
        replica.follow(at);
        return replica.reached(at, 1_500);
      },
      () => replica.position(),
    );
    // It has said once what it has.
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    while (performance.now() < endMs) {
      const args = { tasks: [task()] };
      const sentMs = performance.now();
      const at = must(await submitter.link.commands([{ id: ids.command(), kind: "submit", args }]));
      const answeredMs = performance.now();
      for (const result of at.results) if (!result.ok) throw new Error(describeFailure(result.failure));
      if (kind === "lag") await untilShown(() => replica.position().seq >= at.seq, answeredMs);
      ms.push(kind === "lag" ? performance.now() - answeredMs : answeredMs - sentMs);
      await new Promise((resolve) => setTimeout(resolve, (1_000 / perSecond) * (0.5 + Math.random())));
    }
  } finally {
    await replica.close();
    rmSync(dir, { recursive: true, force: true });
  }
  return { count: ms.length, ms };
}

/** Looked at, not asked for: a replica that is told of a position hurries to it. */
async function untilShown(isThere: () => boolean, sinceMs: number): Promise<void> {
  while (!isThere() && performance.now() - sinceMs < VISIBLE_LIMIT_MS) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Heartbeats and long polls, and nothing else. */
async function idle(sidecars: readonly Sidecar[], endMs: number): Promise<Outcome> {
  for (const { link } of sidecars) {
    void follow(link, endMs, async () => undefined);
    const beat = async (): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * HEARTBEAT_MS));
      while (performance.now() < endMs) {
        must(await link.heartbeat(heartbeat()));
        await new Promise((resolve) => setTimeout(resolve, HEARTBEAT_MS));
      }
    };
    void beat();
  }
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, endMs - performance.now())));
  return { count: sidecars.length, ms: [] };
}
