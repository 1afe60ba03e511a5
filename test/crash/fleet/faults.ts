/** What can befall a fleet. Each fault is over when `play` resolves, but the fleet need not have healed. */
import { cpSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Random, sleep } from "#base";
import type { BinaryWorld } from "../../support/binary-node.ts";
import { killPid } from "../../support/binary-processes.ts";
import { realClock } from "../../support/real-clock.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { freePort } from "../swap/swapping.ts";
import { type CrashFleet, LEASE_MS, Site } from "./fleet.ts";
import type { WayFault } from "./way.ts";

export const FAULTS = [
  "hub_node_killed",
  "member_node_killed",
  "requests_lost",
  "server_killed",
  "duplicated",
  "replica_truncated",
  "answers_lost",
  "member_watchdog_killed",
  "truncated",
  "partition",
  "hub_watchdog_killed",
  "member_stopped",
  "hub_stopped",
  "delayed",
  "hub_partition",
  "state_cloned",
] as const;
export type FaultKind = (typeof FAULTS)[number];

/** Within a lease, or beyond it. */
const SHORT_MS = 800;
const BEYOND_LEASE_MS = LEASE_MS + 1_500;
const DELAY_MS = 400;
/** Less than a batch of commands or a frame of the replica. */
const TRUNCATE_BYTES = 300;

export type FaultScene = { readonly fleet: CrashFleet; readonly world: BinaryWorld; readonly random: Random };

export async function play(kind: FaultKind, scene: FaultScene): Promise<void> {
  const { fleet, random } = scene;
  const { hub, members } = fleet;
  const member = members[Math.floor(random.next() * members.length)] ?? hub;
  const lengthMs = random.next() < 0.5 ? SHORT_MS : BEYOND_LEASE_MS;
  switch (kind) {
    case "hub_node_killed":
      return hub.killNode();
    case "hub_watchdog_killed":
      return hub.killWatchdog();
    case "member_node_killed":
      return member.killNode();
    case "member_watchdog_killed":
      return member.killWatchdog();
    case "server_killed":
      return killServer(hub);
    case "hub_stopped":
      return stopFor(hub, lengthMs);
    case "member_stopped":
      return stopFor(member, lengthMs);
    case "requests_lost":
      return during([member], { kind: "requests_lost" }, lengthMs);
    case "answers_lost":
      return during([member], { kind: "answers_lost" }, lengthMs);
    case "partition":
      return during([member], { kind: "cut" }, lengthMs);
    case "hub_partition":
      return during(members, { kind: "cut" }, lengthMs);
    case "delayed":
      return during([member], { kind: "delay", maxMs: DELAY_MS }, BEYOND_LEASE_MS);
    case "duplicated":
      return during([member], { kind: "duplicate" }, BEYOND_LEASE_MS);
    case "truncated":
      return during([member], { kind: "truncate", afterBytes: TRUNCATE_BYTES }, lengthMs);
    case "replica_truncated":
      return truncateReplica(member);
    case "state_cloned":
      return startClone(member, scene);
  }
}

async function during(sites: readonly Site[], fault: WayFault, lengthMs: number): Promise<void> {
  for (const { way } of sites) way?.set(fault);
  await sleep(realClock, lengthMs);
  for (const { way } of sites) way?.set({ kind: "none" });
}

async function killServer(hub: Site): Promise<void> {
  const before = hub.serverPids();
  for (const pid of before) killPid(pid);
  await waitUntil("another server runs", () => hub.serverPids().some((pid) => !before.includes(pid)));
}

/** As a machine that was suspended, or starved: the watchdog may see a hang, and replace the node. */
async function stopFor(site: Site, lengthMs: number): Promise<void> {
  const pid = site.nodePid();
  process.kill(pid, "SIGSTOP");
  await sleep(realClock, lengthMs);
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // The watchdog has ended it meanwhile.
  }
}

async function truncateReplica(member: Site): Promise<void> {
  member.slot.set(undefined);
  await member.stop();
  const file = join(member.state, "fleet.db");
  truncateSync(file, 5_000);
  writeFileSync(`${file}-wal`, "");
  await member.start();
}

/** A copy of the folder is no second member: it is told so and does not start. */
async function startClone(member: Site, { world }: FaultScene): Promise<void> {
  member.slot.set(undefined);
  await member.stop();
  const clone = new Site(world, `${member.name}-clone`, await freePort(), member.way);
  rmSync(clone.state, { recursive: true, force: true });
  cpSync(member.state, clone.state, { recursive: true });
  await member.start();
  const tried = await clone.start().then(
    () => "it started",
    (cause: unknown) => String(cause),
  );
  rmSync(clone.state, { recursive: true, force: true });
  if (!tried.includes("is a copy of a node's")) throw new Error(`a copy of a state folder is not refused: ${tried}`);
}
