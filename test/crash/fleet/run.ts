/**
 * A fleet of real processes under seeded faults, with clients that submit on every node; afterwards everything heals, and
 * what was promised is counted against what the databases hold.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Random, seededRandom, sleep } from "#base";
import { BinaryWorld } from "../../support/binary-node.ts";
import { realClock } from "../../support/real-clock.ts";
import { violationsOf } from "../checks.ts";
import { Ledger, produce } from "../producers.ts";
import { readStoredRows, type StoredRows } from "../stored-rows.ts";
import type { Plan } from "../submissions.ts";
import { type Content, contentOf, differences } from "./databases.ts";
import { FAULTS, type FaultKind, play } from "./faults.ts";
import { type CrashFleet, type Site, startFleet } from "./fleet.ts";

export type FleetRunOptions = {
  readonly seed: number;
  readonly members: number;
  readonly faults: readonly FaultKind[];
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
  readonly violations: readonly string[];
};

const PAUSE_MS = 500;
const HEAL_LIMIT_MS = 60_000;
const DRAIN_LIMIT_MS = 90_000;
const EQUAL_LIMIT_MS = 30_000;
const LOOK_MS = 150;
/** Lost attempts count: no task may die of them. */
const ENOUGH_ATTEMPTS = 100;

/** Every kind once, in an order of the seed's, then as many more as are wanted. */
export function plannedFaults(count: number, random: Random): readonly FaultKind[] {
  const plan: FaultKind[] = [];
  while (plan.length < count) {
    const round = [...FAULTS];
    while (round.length > 0) plan.push(...round.splice(Math.floor(random.next() * round.length), 1));
  }
  return plan.slice(0, count);
}

export async function fleetRun(options: FleetRunOptions): Promise<FleetReport> {
  const world = new BinaryWorld();
  const fleet: { value?: CrashFleet } = {};
  try {
    return await runIn(world, options, fleet);
  } finally {
    world.remove();
    for (const { way } of fleet.value?.members ?? []) await way?.close();
  }
}

async function runIn(
  world: BinaryWorld,
  options: FleetRunOptions,
  opened: { value?: CrashFleet },
): Promise<FleetReport> {
  const random = seededRandom(options.seed);
  const fleet = await startFleet(world, options.members, random);
  opened.value = fleet;
  const ledger = new Ledger();
  const production = startProducers(fleet, ledger, random, world.workspace);
  const healMs: (readonly [FaultKind, number])[] = [];
  const violations: string[] = [];
  for (const kind of options.faults) {
    await play(kind, { fleet, world, random });
    const tookMs = await heal(fleet, world.workspace);
    if (tookMs === undefined) violations.push(`not healed ${HEAL_LIMIT_MS} ms after ${kind}`);
    healMs.push([kind, tookMs ?? HEAL_LIMIT_MS]);
    options.onFault?.(kind, tookMs ?? HEAL_LIMIT_MS);
  }
  await production.stop();
  violations.push(...(await drain(fleet)), ...(await compare(fleet)));
  violations.push(...(await leftovers(fleet, world)));
  for (const site of fleet.sites.toReversed()) {
    const code = await site.stop();
    if (code !== 0) violations.push(`${site.name} ended with exit code ${code}`);
  }
  for (const { pid, command } of world.processes()) violations.push(`left behind: process ${pid}: ${command}`);

  const rows = readStoredRows(fleet.hub.state);
  const lines = linesIn(world.workspace);
  const once = new Map([...lines].map(([title, written]) => [title, [...new Set(written)]]));
  violations.push(...ledger.faults);
  violations.push(
    ...violationsOf({ rows, accepted: ledger.accepted, lines: once }).map(({ rule, detail }) => `${rule}: ${detail}`),
  );
  const repeatedStatus = new Map<number, number>();
  for (const { way } of fleet.members) {
    for (const [status, many] of way?.repeatedStatus ?? []) {
      repeatedStatus.set(status, (repeatedStatus.get(status) ?? 0) + many);
      if (status < 400) violations.push(`the hub answered ${many} requests that arrived twice with ${status}`);
    }
  }
  return {
    healMs,
    rows,
    ledger,
    orphaned: rows.events.filter(({ kind }) => kind === "attempt.orphaned").length,
    resent: fleet.members.reduce((sum, { way }) => sum + (way?.resent ?? 0), 0),
    ranAgain: [...lines].reduce((sum, [title, written]) => sum + written.length - (once.get(title)?.length ?? 0), 0),
    repeatedStatus,
    violations,
  };
}

function startProducers({ sites }: CrashFleet, ledger: Ledger, random: Random, workspace: string) {
  let goesOn = true;
  const all = Promise.all(
    sites.map(({ slot, name }) => {
      let number = 0;
      const next = (): Plan | undefined => {
        number += 1;
        return goesOn ? planOf(`${name}-${number}`, random, workspace) : undefined;
      };
      return produce({ slot, ledger, random, next, pauseMs: PAUSE_MS });
    }),
  );
  return {
    stop: async () => {
      goesOn = false;
      await all;
    },
  };
}

function planOf(title: string, random: Random, workspace: string): Plan {
  const line = 'echo "$DROVER_TASK_ID $DROVER_ATTEMPT" >> "$OUT"';
  const takesTime = random.next() < 0.3;
  const body = {
    title,
    command: ["sh", "-c", takesTime ? `${line}; sleep 1` : line],
    workspace,
    env: { OUT: title },
    maxAttempts: ENOUGH_ATTEMPTS,
    retry: { baseMs: 20, maxMs: 50 },
  };
  return { key: title, body, tasks: [{ title, expected: "done", writes: true }] };
}

/** @returns how long it took until what was submitted on every node after the fault has run; undefined: too long. */
async function heal({ sites }: CrashFleet, workspace: string): Promise<number | undefined> {
  const beganMs = performance.now();
  const endMs = beganMs + HEAL_LIMIT_MS;
  const probes = await Promise.all(sites.map((site) => probed(site, workspace, endMs)));
  return probes.every((isDone) => isDone) ? performance.now() - beganMs : undefined;
}

async function probed(site: Site, workspace: string, endMs: number): Promise<boolean> {
  const key = `probe-${site.name}-${Math.round(endMs)}`;
  const body = { title: key, command: ["true"], workspace, maxAttempts: ENOUGH_ATTEMPTS };
  let id: string | undefined;
  while (performance.now() < endMs) {
    const answer = await (id === undefined
      ? site.node.request("POST", "/api/tasks", body, { "idempotency-key": key })
      : site.node.request("GET", `/api/tasks/${id}`)
    ).catch(() => undefined);
    // `as`: the contract of the API.
    const said = answer?.body as { readonly id?: string; readonly state?: string } | undefined;
    if (said?.state === "done") return true;
    if (id === undefined && (answer?.status === 200 || answer?.status === 201)) id = said?.id;
    await sleep(realClock, LOOK_MS);
  }
  return false;
}

async function drain({ hub }: CrashFleet): Promise<readonly string[]> {
  const endMs = performance.now() + DRAIN_LIMIT_MS;
  for (;;) {
    const answer = await hub.node
      .request("GET", "/api/tasks?state=waiting,ready,running&limit=20")
      .catch(() => undefined);
    // `as`: the contract of the API.
    const said = answer?.body as
      | { readonly items?: readonly { readonly title: string; readonly state: string }[] }
      | undefined;
    const items = said?.items;
    if (items?.length === 0) return [];
    if (performance.now() > endMs) {
      return [
        `not drained after ${DRAIN_LIMIT_MS} ms: ${items?.map(({ title, state }) => `${title} ${state}`).join()}`,
      ];
    }
    await sleep(realClock, LOOK_MS);
  }
}

/** Waits until outboxes are empty and every copy of the fleet's tables is the same. @returns what still differs. */
async function compare(fleet: CrashFleet): Promise<readonly string[]> {
  const endMs = performance.now() + EQUAL_LIMIT_MS;
  for (;;) {
    const found = unequal(fleet);
    if (found.length === 0 || performance.now() > endMs) return found;
    await sleep(realClock, LOOK_MS);
  }
}

function unequal({ hub, members }: CrashFleet): readonly string[] {
  const reference = contentOf(join(hub.state, "fleet.db"));
  if (reference === undefined) return ["the hub's database cannot be read"];
  const copies: readonly (readonly [string, Content | undefined])[] = [
    ["the hub's server", contentOf(join(hub.state, "hub", "dbs", "default", "data"))],
    ...members.map(({ name, state }) => [`the replica of ${name}`, contentOf(join(state, "fleet.db"))] as const),
  ];
  const found = reference.integrity === "ok" ? [] : [`the hub's database: ${reference.integrity}`];
  for (const [name, content] of copies) {
    if (content === undefined) found.push(`${name} cannot be read`);
    else {
      if (content.integrity !== "ok") found.push(`${name}: ${content.integrity}`);
      found.push(...differences(reference, content).map((text) => `${name} differs from the hub in ${text}`));
    }
  }
  for (const { name, state } of members) {
    const waiting = contentOf(join(state, "node.db"))?.waiting;
    if (waiting !== 0) found.push(`the outbox of ${name} holds ${waiting ?? "something unreadable"}`);
  }
  return found;
}

async function leftovers({ sites, hub }: CrashFleet, world: BinaryWorld): Promise<readonly string[]> {
  const endMs = performance.now() + 10_000;
  for (;;) {
    const known = new Set([...sites.flatMap((site) => [site.node.pid, site.nodePid()]), ...hub.serverPids()]);
    const left = [
      ...world.processes().flatMap(({ pid, command }) => (known.has(pid) ? [] : [`process ${pid}: ${command}`])),
      ...sites.flatMap((site) => site.attempts().map((name) => `${site.name}: attempt folder ${name}`)),
    ];
    if (left.length === 0 || performance.now() > endMs) return left.map((text) => `left over: ${text}`);
    await sleep(realClock, LOOK_MS);
  }
}

function linesIn(folder: string): ReadonlyMap<string, readonly string[]> {
  if (!existsSync(folder)) return new Map();
  return new Map(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8").split("\n").filter(Boolean)]),
  );
}
