/**
 * `bun run bench:soak [--minutes 60] [--rate 4] [--goal-every 10]`: a hub and a member, each with its watchdog, under
 * steady work (`--rate` shell tasks a second, one of twenty fails; a goal on a repository each `--goal-every` seconds), with everything
 * that ages kept for two minutes only. What months would show as growth shows here within the hour: memory, descriptors,
 * threads, files and bytes of each node, as they were first and last, and their slope over the second half. See ../README.md.
 */
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { FleetNode } from "../../demo/fleet-node.ts";
import { bareCopy, git, newRepository } from "../../support/git-repositories.ts";
import { describeMachine, machineFacts } from "../machine/facts.ts";
import { type Given, handIn, startModel } from "./load.ts";
import { type Sample, sampleOf, slopePerHour } from "./samples.ts";

const SAMPLES = 60;
const KEPT_MS = 120_000;
const invitationSchema = z.object({ invitation: z.string() });

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    rate: { type: "string", default: "4" },
    "goal-every": { type: "string", default: "10" },
  },
});
const minutes = wholeNumber(values.minutes);
const rate = wholeNumber(values.rate);
const goalEvery = wholeNumber(values["goal-every"]);

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`${text} is no whole number above 0`);
}

/** As on a node that has run for years: all that ages goes after two minutes. */
function settings(repository: string, model: string): Readonly<Record<string, string>> {
  return {
    DROVER_ENDPOINTS: JSON.stringify([{ name: "script", url: model }]),
    DROVER_REPOS: JSON.stringify([{ name: "soak", path: repository, branch: "main" }]),
    DROVER_FSM_DWELL_MS: JSON.stringify({ resting: 1_000, executing: 1_000, improving: 1_000, contemplating: 1_000 }),
    DROVER_QUEUE_KEEP_DONE_MS: String(KEPT_MS),
    DROVER_QUEUE_KEEP_DEAD_MS: String(KEPT_MS),
    DROVER_QUEUE_KEEP_EVENTS_MS: String(KEPT_MS),
    DROVER_QUEUE_KEEP_IDEMPOTENCY_MS: String(KEPT_MS),
    DROVER_QUEUE_KEEP_USAGE_MS: String(KEPT_MS),
    DROVER_GOALS_KEEP_MS: String(KEPT_MS),
    DROVER_AUDIT_KEEP_MS: String(KEPT_MS),
    DROVER_ALERTS_KEEP_MS: String(KEPT_MS),
  };
}

async function main(): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "drover-soak-"));
  chmodSync(dir, 0o755);
  console.log(describeMachine(machineFacts(dir)));
  const repository = join(dir, "soak");
  newRepository(repository, { "notes.txt": "none yet\n" });
  git(repository, "remote", "add", "origin", `file://${bareCopy(repository, join(dir, "soak.git"))}`);
  const model = await startModel();
  const nodes = ["hub", "member"].map((name) => new FleetNode(dir, name, settings(repository, model.url)));
  const stop = (): void => {
    for (const node of nodes) node.end();
    rmSync(dir, { recursive: true, force: true });
  };
  process
    .on("SIGINT", () => process.exit(130))
    .on("SIGTERM", () => process.exit(143))
    .on("exit", stop);
  try {
    await startFleet(nodes);
    const given: Given = { seconds: 0, tasks: 0, goals: 0, refused: 0 };
    const samples = await watch(nodes, dir, given);
    console.log(`${given.tasks} tasks and ${given.goals} goals handed in, ${given.refused} requests refused`);
    for (const { name } of nodes) tell(name, samples.get(name) ?? []);
    console.log(`load ${loadavg()[0]?.toFixed(2)} at the end`);
  } finally {
    stop();
    await model.stop();
  }
}

async function startFleet(nodes: readonly FleetNode[]): Promise<void> {
  const [hub, ...members] = nodes;
  if (hub === undefined) return;
  await hub.drover("up", "--detach");
  for (const member of members) {
    const { invitation } = invitationSchema.parse(JSON.parse(await hub.drover("token", "create", "--json")));
    await member.drover("up", "--detach");
    await member.drover("join", invitation);
  }
}

async function watch(nodes: readonly FleetNode[], dir: string, given: Given): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(nodes.map(({ name }) => [name, []]));
  const spanMs = minutes * 60_000;
  const beganMs = performance.now();
  let second = 0;
  let sampled = 0;
  for (let nowMs = 0; nowMs < spanMs; nowMs = performance.now() - beganMs) {
    await handIn(nodes, given, { tasks: rate, withGoal: second % goalEvery === 0 });
    if (nowMs >= (sampled * spanMs) / SAMPLES) {
      sampled += 1;
      for (const { name } of nodes) samples.get(name)?.push(sampleOf(join(dir, name), nowMs));
    }
    second += 1;
    await Bun.sleep(Math.max(0, second * 1_000 - (performance.now() - beganMs)));
  }
  return samples;
}

/** A part of the state folder that never came to so many MiB, or files, says nothing. */
const LEAST = { "disk of": 0.1, "files of": 4 } as const;

function tell(name: string, samples: readonly Sample[]): void {
  const half = samples.slice(Math.floor(samples.length / 2));
  const names = [...new Set(samples.flatMap(({ figures }) => Object.keys(figures)))].toSorted();
  const at = (sample: Sample | undefined, figure: string): number => sample?.figures[figure] ?? 0;
  console.log(
    `\n${name.padEnd(34)}${["first", "half", "last", "most", "per hour"].map((one) => one.padStart(10)).join("")}`,
  );
  for (const figure of names) {
    const all = samples.map((sample) => at(sample, figure));
    const most = Math.max(...all);
    if (Object.entries(LEAST).some(([prefix, least]) => figure.startsWith(prefix) && most < least)) continue;
    const row = [all[0] ?? 0, at(half[0], figure), all.at(-1) ?? 0, most, slopePerHour(half, figure)];
    console.log(`${figure.padEnd(34)}${row.map((value) => value.toFixed(1).padStart(10)).join("")}`);
  }
}

if (existsSync(join(import.meta.dir, "../../../dist/drover"))) await main();
else console.log("no dist/drover: build it first with npm run build");
