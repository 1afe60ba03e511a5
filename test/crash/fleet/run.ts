/**
 * A fleet of real processes under seeded faults, with clients that submit on every node; afterwards everything heals, and
 * what was promised is counted against what the databases hold.
 */
import { cpSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Random, seededRandom } from "#base";
import { BinaryWorld } from "../../support/binary-node.ts";
import { killPid } from "../../support/binary-processes.ts";
import { violationsOf } from "../checks.ts";
import { type Accepted, Ledger, produce } from "../producers.ts";
import { readStoredRows, type StoredRows } from "../stored-rows.ts";
import type { Plan } from "../submissions.ts";
import { type FaultKind, play } from "./faults.ts";
import { type CrashFleet, startFleet } from "./fleet.ts";
import { compare, drain, ENOUGH_ATTEMPTS, heal, leftovers } from "./healing.ts";
import { type FleetVerdict, type History, historyOf, judge, LINE } from "./history.ts";
import type { Site } from "./site.ts";

export type Limits = { readonly healMs: number; readonly drainMs: number; readonly equalMs: number };

export type FleetRunOptions = {
  readonly seed: number;
  readonly members: number;
  readonly faults: readonly FaultKind[];
  /** Another executable than dist/drover. */
  readonly executable?: string;
  readonly limits?: Limits;
  /** Whether faults and tasks outlast a lease; some do where this is not said. */
  readonly isLong?: boolean;
  /** A folder that gets the logs of all sites in the end. */
  readonly logsTo?: string;
  readonly onFault?: (kind: FaultKind, healedMs: number) => void;
};

export type FleetReport = {
  readonly healMs: readonly (readonly [FaultKind, number])[];
  readonly rows: StoredRows;
  readonly ledger: Ledger;
  /** Reports that came when the task was somebody else's. */
  readonly orphaned: number;
  readonly resent: number;
  /** Attempts that were given back uncounted and ran again under their number. */
  readonly ranAgain: number;
  readonly repeatedStatus: ReadonlyMap<number, number>;
  readonly verdict: FleetVerdict;
  readonly violations: readonly string[];
};

/** Four nodes on two processors that others use, too, must keep up with what is submitted on each. */
const PAUSE_MS = 1_500;
/** Of a node that is being replaced, not every one gets an answer. */
const REPEAT_RATIO = 0.2;
export const USUAL: Limits = { healMs: 60_000, drainMs: 90_000, equalMs: 30_000 };

/** Every kind once, in an order of the seed's, then as many more as are wanted. */
export function plannedFaults(kinds: readonly FaultKind[], count: number, random: Random): readonly FaultKind[] {
  const plan: FaultKind[] = [];
  while (plan.length < count) {
    const round = [...kinds];
    while (round.length > 0) plan.push(...round.splice(Math.floor(random.next() * round.length), 1));
  }
  return plan.slice(0, count);
}

export async function fleetRun(options: FleetRunOptions): Promise<FleetReport> {
  const world = new BinaryWorld();
  const random = seededRandom(options.seed);
  let fleet: CrashFleet | undefined;
  try {
    fleet = await startFleet({ world, members: options.members, executable: options.executable, random });
    return await runIn(world, fleet, random, options);
  } finally {
    if (options.logsTo !== undefined) keepLogs(world, fleet, options.logsTo);
    world.remove();
    await fleet?.close();
  }
}

async function runIn(
  world: BinaryWorld,
  fleet: CrashFleet,
  random: Random,
  options: FleetRunOptions,
): Promise<FleetReport> {
  const { limits = USUAL, isLong, onFault } = options;
  const ledger = new Ledger();
  const production = startProducers(fleet, ledger, random, (title) =>
    planOf(title, random, world.workspace, isLong === true),
  );
  const healMs: (readonly [FaultKind, number])[] = [];
  const violations: string[] = [];
  for (const kind of options.faults) {
    const failed = await play(kind, { fleet, world, random, isLong, limitMs: limits.healMs }).catch(String);
    if (failed !== undefined) violations.push(`${kind} failed: ${failed}`);
    const tookMs = await heal(fleet, world.workspace, limits.healMs);
    if (tookMs === undefined) violations.push(`not healed ${limits.healMs} ms after ${kind}`);
    healMs.push([kind, tookMs ?? limits.healMs]);
    onFault?.(kind, tookMs ?? limits.healMs);
  }
  await production.stop();
  violations.push(...(await drain(fleet, limits.drainMs)), ...(await compare(fleet, limits.equalMs)));
  violations.push(...(await leftovers(fleet, world)));
  violations.push(...(await stopped(fleet.members)), ...(await stopped([fleet.hub])));
  for (const { pid, command } of world.processes()) violations.push(`left behind: process ${pid}: ${command}`);

  const found = judged(fleet, ledger, world.workspace);
  const repeatedStatus = repeatedStatusOf(fleet);
  for (const [status, many] of repeatedStatus) {
    if (status < 400) violations.push(`${many} requests that arrived twice were answered with ${status}`);
  }
  return {
    ...found,
    healMs,
    ledger,
    resent: fleet.sites.reduce((sum, { door }) => sum + door.resent, 0),
    repeatedStatus,
    violations: [...violations, ...ledger.faults, ...found.violations],
  };
}

async function stopped(sites: readonly Site[]): Promise<readonly string[]> {
  const codes = await Promise.all(sites.map(async (site) => ({ name: site.name, code: await site.stop() })));
  return codes.flatMap(({ name, code }) => (code === 0 ? [] : [`${name} ended with exit code ${code}`]));
}

function keepLogs(world: BinaryWorld, fleet: CrashFleet | undefined, folder: string): void {
  for (const { pid } of world.processes()) killPid(pid); // Else their folders change while they are copied.
  for (const { name, state } of fleet?.sites ?? []) {
    if (existsSync(join(state, "logs"))) cpSync(join(state, "logs"), join(folder, name), { recursive: true });
  }
}

type Judged = Pick<FleetReport, "rows" | "orphaned" | "ranAgain" | "verdict" | "violations">;

function judged({ hub, sites }: CrashFleet, ledger: Ledger, workspace: string): Judged {
  const rows = readStoredRows(hub.state);
  const lines = linesIn(workspace);
  const former = new Map<string, readonly History[]>(
    sites.map((site) => [site.name, site.quarantined().map((folder) => historyOf(join(folder, "fleet.db")))]),
  );
  const accepted = ledger.accepted.map((one) => ({ ...one, site: siteOf(one) }));
  const verdict = judge({ last: historyOf(join(hub.state, "fleet.db")), former, accepted, lines });
  const isQuarantined = new Set(verdict.quarantined);
  // An attempt that was given back runs again under its number and another fence.
  const withoutFences = [...lines].map(([title, written]) => [title, written.map(attemptIn)] as const);
  const once = new Map(withoutFences.map(([title, written]) => [title, [...new Set(written)]]));
  const generally = violationsOf({
    rows,
    accepted: ledger.accepted.filter(({ id }) => !isQuarantined.has(id)),
    lines: once,
  });
  return {
    rows,
    orphaned: rows.events.filter(({ kind }) => kind === "attempt.orphaned").length,
    ranAgain: withoutFences.reduce((sum, [title, written]) => sum + written.length - (once.get(title)?.length ?? 0), 0),
    verdict,
    violations: [...verdict.violations, ...generally.map(({ rule, detail }) => `${rule}: ${detail}`)],
  };
}

function attemptIn(line: string): string {
  return line.split(" ").slice(0, 2).join(" ");
}

/** Titles say where a task was submitted. */
function siteOf({ title }: Accepted): string {
  return title.slice(0, title.lastIndexOf("-"));
}

function startProducers({ sites }: CrashFleet, ledger: Ledger, random: Random, planned: (title: string) => Plan) {
  let goesOn = true;
  const all = Promise.all(
    sites.map(({ slot, name }) => {
      let number = 0;
      const next = (): Plan | undefined => {
        number += 1;
        return goesOn ? planned(`${name}-${number}`) : undefined;
      };
      return produce({ slot, ledger, random, next, pauseMs: PAUSE_MS, repeatRatio: REPEAT_RATIO });
    }),
  );
  return {
    stop: async () => {
      goesOn = false;
      for (const { slot } of sites) slot.end();
      await all;
    },
  };
}

function planOf(title: string, random: Random, workspace: string, isLong: boolean): Plan {
  const kind = random.next();
  const seconds = isLong ? 1 + Math.floor(random.next() * 4) : 1;
  const takesTime = kind < (isLong ? 0.7 : 0.3);
  const failsOnce = !takesTime && kind > 0.8;
  const after = takesTime ? `; sleep ${seconds}` : failsOnce ? '; test "$DROVER_ATTEMPT" -gt 1' : "";
  const body = {
    title,
    command: ["sh", "-c", `${LINE}${after}`],
    workspace,
    env: { OUT: title },
    maxAttempts: ENOUGH_ATTEMPTS,
    retry: { baseMs: 20, maxMs: 50 },
  };
  return { key: title, body, tasks: [{ title, expected: "done", writes: true }] };
}

function repeatedStatusOf({ sites }: CrashFleet): ReadonlyMap<number, number> {
  const sums = new Map<number, number>();
  for (const { door } of sites) {
    for (const [status, many] of door.repeatedStatus) sums.set(status, (sums.get(status) ?? 0) + many);
  }
  return sums;
}

function linesIn(folder: string): ReadonlyMap<string, readonly string[]> {
  if (!existsSync(folder)) return new Map();
  return new Map(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8").split("\n").filter(Boolean)]),
  );
}
