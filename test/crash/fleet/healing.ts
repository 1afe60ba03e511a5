/** Waits until a fleet is well again, and says what is not. */
import { join } from "node:path";
import { sleep } from "#base";
import type { BinaryWorld } from "../../support/binary-node.ts";
import { Patience } from "../../support/patience.ts";
import { realClock } from "../../support/real-clock.ts";
import { type Content, contentOf, differences } from "./databases.ts";
import type { CrashFleet } from "./fleet.ts";
import type { Site } from "./site.ts";

const LOOK_MS = 150;
const LEFT_LIMIT_MS = 10_000;
/** Lost attempts count: no task may die of them. */
export const ENOUGH_ATTEMPTS = 100;

/** @returns how long it took until what was submitted on every node after the fault has run; undefined: too long. */
export async function heal({ sites }: CrashFleet, workspace: string, limitMs: number): Promise<number | undefined> {
  const beganMs = performance.now();
  const probes = await Promise.all(sites.map((site) => probed(site, workspace, beganMs, limitMs)));
  return probes.every((isDone) => isDone) ? performance.now() - beganMs : undefined;
}

async function probed(site: Site, workspace: string, beganMs: number, limitMs: number): Promise<boolean> {
  const key = `probe-${site.name}-${Math.round(beganMs)}`;
  // Before what has gathered: how soon the fleet works again is measured, not how much there is to do.
  const body = { title: key, command: ["true"], workspace, lane: "high", maxAttempts: ENOUGH_ATTEMPTS };
  let id: string | undefined;
  const patience = new Patience(limitMs);
  while (!patience.isOver()) {
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

/** Waits until the hub has nothing left to be done. */
export async function drain({ hub }: CrashFleet, limitMs: number): Promise<readonly string[]> {
  const patience = new Patience(limitMs);
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
    if (patience.isOver()) {
      return [`not drained after ${limitMs} ms: ${items?.map(({ title, state }) => `${title} ${state}`).join()}`];
    }
    await sleep(realClock, LOOK_MS);
  }
}

/** Waits until outboxes are empty and every copy of the fleet's tables is the same. @returns what still differs. */
export async function compare(fleet: CrashFleet, limitMs: number): Promise<readonly string[]> {
  const patience = new Patience(limitMs);
  for (;;) {
    const found = unequal(fleet);
    if (found.length === 0 || patience.isOver()) return found;
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

export async function leftovers({ sites }: CrashFleet, world: BinaryWorld): Promise<readonly string[]> {
  const patience = new Patience(LEFT_LIMIT_MS);
  for (;;) {
    const known = new Set(sites.flatMap((site) => [site.node.pid, site.nodePid(), ...site.serverPids()]));
    const left = [
      ...world.processes().flatMap(({ pid, command }) => (known.has(pid) ? [] : [`process ${pid}: ${command}`])),
      ...sites.flatMap((site) => site.attempts().map((name) => `${site.name}: attempt folder ${name}`)),
      ...serversOfMembers(sites),
    ];
    if (left.length === 0 || patience.isOver()) return left.map((text) => `left over: ${text}`);
    await sleep(realClock, LOOK_MS);
  }
}

/** A hub whose place another took ends its server. */
function serversOfMembers(sites: readonly Site[]): readonly string[] {
  const serving = sites.filter((site) => site.serverPids().length > 0);
  return serving.length === 1 ? [] : [`libSQL servers run on ${serving.map(({ name }) => name).join(" and ")}`];
}
