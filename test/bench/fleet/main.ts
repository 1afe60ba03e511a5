/**
 * What a hub does for its fleet: `bun run bench:fleet`. Prints what it measured, asserts nothing.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { benchArguments } from "../machine/arguments.ts";
import { describeMachine, machineFacts } from "../machine/facts.ts";
import { type Cost, coreShare, costFromNow, type Hub, memoryText, startHub } from "./hub.ts";
import { type Load, type Outcome, runLoad } from "./load.ts";
import { measureServer } from "./server.ts";
import { enlist, type Identity } from "./sidecars.ts";

const USAGE =
  "bun run bench:fleet [--only server,cycle,claims,lag,answer,idle] [--seconds 5] [--sidecars 50] " +
  "[--idle-sidecars 200] [--idle 10] [--binary dist/drover] [--durability local|replicated]";
const values = benchArguments(USAGE, {
  only: "server,cycle,claims,lag,answer,idle",
  seconds: 5,
  sidecars: 50,
  "idle-sidecars": 200,
  /** Seconds for which the server alone is looked at. */
  idle: 10,
  binary: "dist/drover",
  durability: "local",
  load: "",
});
const parts = new Set(values.only.split(","));
const { seconds, sidecars: mostSidecars } = values;
/** Tasks that wait before completions are measured alone; and how many one request brings. */
const BACKLOG = 6_000;
const BACKLOG_BATCH = 500;

if (values.load === "") await main();
else await runLoad(values.load);

async function main(): Promise<void> {
  if (parts.has("server")) await measureServer(values.idle * 1_000);
  if (![...parts].some((part) => part !== "server")) return;
  const binary = resolve(values.binary);
  if (!existsSync(binary)) {
    console.log(`no ${values.binary}: build it first with npm run build`);
    return;
  }
  const dir = mkdtempSync(join(tmpdir(), "drover-bench-fleet-"));
  console.log(describeMachine(machineFacts(dir)));
  const hub = await startHub(binary, dir, values.durability);
  try {
    await measureHub(hub);
    console.log(`load ${loadavg()[0]?.toFixed(2)} at the end`);
  } finally {
    await hub.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function measureHub(hub: Hub): Promise<void> {
  const wanted = parts.has("idle") ? values["idle-sidecars"] : 0;
  const count = Math.max(mostSidecars, wanted);
  console.log(`${count} sidecars join, after the first twenty one a second …`);
  const sidecars = await enlist(hub, count);
  console.log(`${"".padEnd(34)}${"".padEnd(40)}${memoryText(hub)}`);
  const sizes = [...new Set([1, 10, mostSidecars])];
  if (parts.has("cycle")) for (const size of sizes) await cycles(hub, sidecars.slice(0, size));
  if (parts.has("cycle")) {
    console.log("bar: 2,000 claims and completions a second through one hub on 2 cores");
    await drain(hub, sidecars.slice(0, 10));
  }
  if (parts.has("claims")) {
    for (const size of sizes) {
      const load: Load = { kind: "claims", perSecond: 10, sidecars: sidecars.slice(0, size), seconds: 2 * seconds };
      await timed(hub, `submit to claim, ${size} wait`, load);
    }
  }
  if (parts.has("lag")) {
    for (const perSecond of [2, 20]) {
      const load: Load = { kind: "lag", perSecond, sidecars: sidecars.slice(0, 2), seconds: 2 * seconds };
      await timed(hub, `commit to replica, ${perSecond}/s`, load);
    }
    const busy: Load = {
      kind: "cycle",
      callers: 1,
      batch: 16,
      submits: true,
      sidecars: sidecars.slice(2, 10),
      seconds: 2 * seconds,
    };
    const load: Load = { kind: "lag", perSecond: 20, sidecars: sidecars.slice(0, 2), seconds: 2 * seconds };
    await Promise.all([timed(hub, "commit to replica, 8 busy", load), perform(hub, busy)]);
    console.log("bar: p99 below 1,000 ms");
  }
  if (parts.has("answer")) {
    for (const perSecond of [2, 20]) {
      const load: Load = { kind: "answer", perSecond, sidecars: sidecars.slice(0, 2), seconds: 2 * seconds };
      await timed(hub, `submission, ${values.durability}, ${perSecond}/s`, load);
    }
  }
  if (parts.has("idle")) {
    for (const size of [0, wanted / 4, wanted]) await idle(hub, sidecars.slice(0, size));
    console.log("bar: 200 idle sidecars below 10 % of a core");
  }
}

async function cycles(hub: Hub, sidecars: readonly Identity[]): Promise<void> {
  for (const batch of [1, 16]) {
    const load: Load = { kind: "cycle", callers: 1, batch, submits: true, sidecars, seconds };
    const { outcome, cost } = await perform(hub, load);
    rate(hub, `submit, claim, finish; ${sidecars.length} × ${batch}`, outcome.count, cost);
  }
}

/** Claims and completions alone: what waits was submitted before. */
async function drain(hub: Hub, sidecars: readonly Identity[]): Promise<void> {
  for (let made = 0; made < BACKLOG; made += BACKLOG_BATCH) {
    const tasks = Array.from({ length: BACKLOG_BATCH }, () => ({
      title: "no-op",
      executor: "shell",
      command: ["true"],
      requires: { labels: { bench: "yes" } },
    }));
    await hub.ask("POST", "/api/tasks", tasks);
  }
  const load: Load = { kind: "cycle", callers: 4, batch: 16, submits: false, sidecars, seconds: 60 };
  const { outcome, cost } = await perform(hub, load);
  rate(hub, `claim, finish; ${sidecars.length} × 4 × 16`, outcome.count, cost);
}

function rate(hub: Hub, label: string, count: number, cost: Cost): void {
  const perSecond = (count / cost.ms) * 1_000;
  const ours = (cost.hubUs + cost.serverUs) / count;
  console.log(
    `${label.padEnd(34)}${perSecond.toFixed(0).padStart(6)}/s  ${(cost.hubUs / count).toFixed(0).padStart(5)} + ` +
      `${(cost.serverUs / count).toFixed(0).padStart(4)} µs cpu (2 cores: ${(2e6 / ours).toFixed(0)}/s)  ${memoryText(hub)}`,
  );
}

async function timed(hub: Hub, label: string, load: Load): Promise<void> {
  const { outcome, cost } = await perform(hub, load);
  const sorted = outcome.ms.toSorted((a, b) => a - b);
  const at = (ratio: number): string => (sorted[Math.floor(sorted.length * ratio)] ?? Number.NaN).toFixed(0);
  console.log(
    `${label.padEnd(34)}p50 ${at(0.5).padStart(4)} ms  p99 ${at(0.99).padStart(5)} ms  of ${String(outcome.count).padEnd(5)}` +
      `hub ${coreShare(cost.hubUs, cost.ms)}, server ${coreShare(cost.serverUs, cost.ms)}`,
  );
}

async function idle(hub: Hub, sidecars: readonly Identity[]): Promise<void> {
  const { cost } = await perform(hub, { kind: "idle", sidecars, seconds: 4 * seconds });
  const label = `${sidecars.length} idle sidecars`;
  console.log(
    `${label.padEnd(34)}hub ${coreShare(cost.hubUs, cost.ms)} of a core, server ${coreShare(cost.serverUs, cost.ms)}  ${memoryText(hub)}`,
  );
}

/** Runs a load in a process of its own. */
async function perform(hub: Hub, load: Load): Promise<{ readonly outcome: Outcome; readonly cost: Cost }> {
  const dir = mkdtempSync(join(tmpdir(), "drover-bench-load-"));
  const file = join(dir, "load.json");
  writeFileSync(file, JSON.stringify(load), { mode: 0o600 });
  const child = Bun.spawn([process.execPath, import.meta.path, "--load", file], { stdout: "pipe", stderr: "inherit" });
  try {
    let said = "";
    let cost: (() => Cost) | undefined;
    let spent: Cost | undefined;
    for await (const bytes of child.stdout) {
      said += new TextDecoder().decode(bytes);
      if (cost === undefined && said.includes("began\n")) cost = costFromNow(hub);
      if (cost !== undefined && said.includes("}\n")) spent = cost();
    }
    // The last line: the replica's native part may have written something of its own before.
    const line = said.trimEnd().split("\n").at(-1) ?? "";
    if (spent === undefined) throw new Error(`a load ended early: ${said}`);
    return { outcome: JSON.parse(line) as Outcome, cost: spent }; // `as`: written by runLoad
  } finally {
    child.kill();
    await child.exited;
    rmSync(dir, { recursive: true, force: true });
  }
}
