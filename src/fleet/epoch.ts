/**
 * Epochs that no two nodes ever take. Pure.
 *
 * An epoch is a round and the mark of the node that became the hub in it: `round · 2^30 + mark`. So nodes that take the
 * hub's place at the same moment, without knowing of each other, get different ones, and the greater one counts
 * everywhere. A restored database goes on within its round. Up to 2^23 rounds stay below 2^53.
 */
import type { NodeId } from "#base";

/** Marks in a round: the last six characters of an id, which are 30 bits of chance. */
const MARKS = 2 ** 30;
const MARK_CHARS = 6;
const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";

/** @returns what tells the epochs of this node from those of others. Two nodes of one fleet have different ones: see `admit`. */
export function markOf(node: NodeId): number {
  let mark = 0;
  for (const digit of node.slice(-MARK_CHARS)) mark = mark * DIGITS.length + Math.max(0, DIGITS.indexOf(digit));
  return mark;
}

/** @returns the round of an epoch: elections give one vote in each. */
export function roundOf(epoch: number): number {
  return Math.floor(epoch / MARKS);
}

/** @returns the epoch under which `node` takes the hub's place, where `known` is the highest that it knows. */
export function nextEpoch(known: number, node: NodeId): number {
  return (roundOf(known) + 1) * MARKS + markOf(node);
}
