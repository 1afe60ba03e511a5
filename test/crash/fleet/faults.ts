/** What can befall a fleet. Each fault is over when `play` resolves, but the fleet need not have healed. */
import { cpSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Random, sleep } from "#base";
import type { BinaryWorld } from "../../support/binary-node.ts";
import { killPid } from "../../support/binary-processes.ts";
import { realClock } from "../../support/real-clock.ts";
import { waitUntil } from "../../support/wait-until.ts";
import type { LinkFault } from "./door.ts";
import type { CrashFleet } from "./fleet.ts";
import { promotedInPartition } from "./promotion.ts";
import { LEASE_MS, Site } from "./site.ts";

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
  "promoted_in_partition",
  "partition",
  "hub_watchdog_killed",
  "member_stopped",
  "late_copies",
  "hub_stopped",
  "delayed",
  "server_stopped",
  "hub_partition",
  "replica_deleted",
  "state_cloned",
  // These do something only to an executable whose clock can be moved.
  "clock_set",
  "clock_jumping",
] as const;
export type FaultKind = (typeof FAULTS)[number];

/** Within a lease, or beyond it. */
const SHORT_MS = 800;
const BEYOND_LEASE_MS = LEASE_MS + 1_500;
const DELAY_MS = 400;
/** Less than a batch of commands or a frame of the replica. */
const TRUNCATE_BYTES = 300;
/** Two checks of the server, 2 s apart and each with 2 s, and 2 s of grace; several times that on a busy machine. */
const SERVER_STOPPED_MS = 30_000;
const SKEW_MS = 2 * 3_600_000;
const JUMPS = 12;
const JUMP_EVERY_MS = 250;
const COPIES_LATE_MS = 1_500;

export type FaultScene = {
  readonly fleet: CrashFleet;
  readonly world: BinaryWorld;
  readonly random: Random;
  /** Whether faults last longer than a lease; about every other one does where this is not said. */
  readonly isLong?: boolean | undefined;
  /** Of what the fleet does by itself. */
  readonly limitMs: number;
};

/** @returns undefined, or what shows that the fault did not do what it is for. */
export async function play(kind: FaultKind, scene: FaultScene): Promise<string | undefined> {
  const { fleet, random } = scene;
  const { hub, members } = fleet;
  const member = members[Math.floor(random.next() * members.length)] ?? hub;
  const lengthMs = (scene.isLong ?? random.next() < 0.5) ? BEYOND_LEASE_MS : SHORT_MS;
  switch (kind) {
    case "hub_node_killed":
      return done(hub.killNode());
    case "hub_watchdog_killed":
      return done(hub.killWatchdog());
    case "member_node_killed":
      return done(member.killNode());
    case "member_watchdog_killed":
      return done(member.killWatchdog());
    case "server_killed":
      return done(killServer(hub));
    case "server_stopped":
      return done(stopServer(hub));
    case "hub_stopped":
      return done(stopFor(hub, lengthMs));
    case "member_stopped":
      return done(stopFor(member, lengthMs));
    case "requests_lost":
      return during(fleet, [member], { kind: "requests_lost" }, lengthMs);
    case "answers_lost":
      return during(fleet, [member], { kind: "answers_lost" }, lengthMs);
    case "partition":
      return during(fleet, [member], { kind: "cut" }, lengthMs);
    case "hub_partition":
      return during(fleet, members, { kind: "cut" }, lengthMs);
    case "delayed":
      return during(fleet, [member], { kind: "delay", maxMs: DELAY_MS }, lengthMs);
    case "duplicated":
      return during(fleet, [member], { kind: "duplicate" }, lengthMs);
    case "late_copies":
      return copiesLate(fleet, member);
    case "truncated":
      return during(fleet, [member], { kind: "truncate", afterBytes: TRUNCATE_BYTES }, lengthMs);
    case "replica_truncated":
      return done(spoilReplica(member, truncated));
    case "replica_deleted":
      return done(spoilReplica(member, deleted));
    case "state_cloned":
      return startClone(member, scene);
    case "clock_set":
      return done(setClock(random.next() < 0.5 ? hub : member, random));
    case "clock_jumping":
      return done(jumpClock(random.next() < 0.5 ? hub : member, random));
    case "promoted_in_partition":
      return promotedInPartition(scene, member);
  }
}

async function done(fault: Promise<unknown>): Promise<undefined> {
  await fault;
}

/** What these ask the hub, and what the hub asks them. */
async function during(
  fleet: CrashFleet,
  sites: readonly Site[],
  fault: LinkFault,
  lengthMs: number,
): Promise<string | undefined> {
  const { hub } = fleet;
  const before = hub.door.touched;
  const set = (now: LinkFault): void => {
    for (const site of sites) {
      fleet.link(site, hub, now);
      fleet.link(hub, site, now);
    }
  };
  set(fault);
  await sleep(realClock, lengthMs);
  set({ kind: "none" });
  return hub.door.touched === before ? `no request met "${fault.kind}"` : undefined;
}

async function copiesLate(fleet: CrashFleet, member: Site): Promise<string | undefined> {
  const nothing = await during(fleet, [member], { kind: "late_copies" }, SHORT_MS);
  await sleep(realClock, COPIES_LATE_MS);
  const many = await fleet.hub.door.sendCopies();
  return many === 0 ? (nothing ?? "no copy was kept") : nothing;
}

async function killServer(hub: Site): Promise<void> {
  const before = hub.serverPids();
  for (const pid of before) killPid(pid);
  await waitUntil("another server runs", () => hub.serverPids().some((pid) => !before.includes(pid)));
}

/** It hangs and holds its port and its files: its keeper has to notice, and to end it. */
async function stopServer(hub: Site): Promise<void> {
  const before = hub.serverPids();
  for (const pid of before) process.kill(pid, "SIGSTOP");
  await waitUntil(
    "the server that stands still is replaced",
    () => hub.serverPids().some((pid) => !before.includes(pid)),
    SERVER_STOPPED_MS,
  );
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

async function spoilReplica(member: Site, spoil: (member: Site) => void): Promise<void> {
  member.slot.set(undefined);
  await member.stop();
  spoil(member);
  await member.start();
}

function truncated({ state }: Site): void {
  const file = join(state, "fleet.db");
  truncateSync(file, 5_000);
  writeFileSync(`${file}-wal`, "");
}

function deleted({ state }: Site): void {
  for (const name of readdirSync(state)) if (name.startsWith("fleet.db")) rmSync(join(state, name));
}

/** A copy of the folder is no second member: it is told so and does not start. */
async function startClone(member: Site, { world, random }: FaultScene): Promise<string | undefined> {
  member.slot.set(undefined);
  await member.stop();
  const clone = await Site.make({ world, executable: member.executable, name: `${member.name}-clone` }, random);
  rmSync(clone.state, { recursive: true, force: true });
  cpSync(member.state, clone.state, { recursive: true });
  await member.start();
  const tried = await clone.start().then(
    () => "it started",
    (cause: unknown) => String(cause),
  );
  await clone.door.close();
  rmSync(clone.state, { recursive: true, force: true });
  return tried.includes("is a copy of a node's") ? undefined : `a copy of a state folder is not refused: ${tried}`;
}

/** Two hours wrong, or right again; it stays so, also for the faults that follow. */
async function setClock(site: Site, random: Random): Promise<void> {
  site.setClock((Math.floor(random.next() * 3) - 1) * SKEW_MS);
  await sleep(realClock, SHORT_MS);
}

async function jumpClock(site: Site, random: Random): Promise<void> {
  for (let jump = 0; jump < JUMPS; jump += 1) {
    site.setClock(Math.round((random.next() * 2 - 1) * SKEW_MS));
    await sleep(realClock, JUMP_EVERY_MS);
  }
}
