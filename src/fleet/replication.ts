/**
 * How far the replicas of a fleet have what its hub wrote, from what their nodes say. Pure.
 *
 * D1: a commit counts as replicated only when so many different nodes have said that their own database shows it.
 * D2: what a node says later replaces what it said before, also when that is less: a copy that was lost counts no more.
 * D3: another epoch's commits are other commits: what a node has of one counts for nothing in another.
 */
import type { NodeId } from "#base";
import { hasReached, type Position } from "./position.ts";

/** What a node said last, and when it was heard. */
export type ReplicaReport = { readonly position: Position | undefined; readonly heardAtMs: number };

/** A node that waits for news asks again after 25 s at the latest. */
export const LIVE_MS = 30_000;

/** @returns how many commits of `epoch` so many nodes have; 0 when fewer nodes have any. */
export function replicatedSeq(reports: ReadonlyMap<NodeId, ReplicaReport>, replicas: number, epoch: number): number {
  const seqs = [...reports.values()]
    .flatMap(({ position }) => (position?.epoch === epoch ? [position.seq] : []))
    .sort((a, b) => b - a);
  return seqs[replicas - 1] ?? 0;
}

/** @returns the nodes whose replicas may be expected to take up what is written now. */
export function liveReplicas(reports: ReadonlyMap<NodeId, ReplicaReport>, nowMs: number): number {
  return [...reports.values()].filter(
    ({ position, heardAtMs }) => position !== undefined && nowMs - heardAtMs < LIVE_MS,
  ).length;
}

/** @returns whether so many nodes have everything up to `position`. */
export function isReplicated(
  reports: ReadonlyMap<NodeId, ReplicaReport>,
  replicas: number,
  position: Position,
): boolean {
  const seq = replicatedSeq(reports, replicas, position.epoch);
  return hasReached({ epoch: position.epoch, seq }, position);
}
