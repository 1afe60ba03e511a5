/**
 * Which node should have work when several ask for it. Pure. Nodes pull; this rule only lets one wait a little while
 * another one is known to be the better place.
 *
 * PL1: nothing waits for a better node longer than the queue's `DEFER_MS` after it became ready; the queue sees to it.
 * PL2: nothing waits unless a better node was heard from a moment ago, takes work, and has a free place of that kind.
 * PL3: what is not known speaks for nobody: a node that says nothing is neither waited for nor made to wait.
 * PL4: what was left for a task on a node counts as the seconds that beginning without it costs, for every other node.
 */
import type { NodeId } from "#base";
import type { Home } from "./homes.ts";

export type WorkKind = "shell" | "model";

/** Attempts of one kind that a node can run at once, and how many more it could begin. */
export type Places = { readonly free: number; readonly total: number };

export type NodeFacts = {
  readonly node: NodeId;
  readonly name: string;
  /** Neither cordoned nor removed nor backed off. */
  readonly takesWork: boolean;
  /** Since it was heard from. */
  readonly silentMs: number;
  readonly places: Readonly<Record<WorkKind, Places>> | undefined;
  /** Seconds until it would have done work with these requirements, by the text of the requirements. */
  readonly expectedSeconds: ReadonlyMap<string, number>;
};

export type Deferral = { readonly to: NodeId; readonly why: string };

/** Heartbeats come every 5 s: one may be lost. */
export const HEARD_WITHIN_MS = 12_000;
/** Forecasts are not better than this; below it, waiting costs more than it may gain. */
export const MIN_GAIN_SECONDS = 2;
export const MIN_GAIN_RATIO = 0.25;
/** Commands differ too much to foretell; only a node that is nearly full lets one that is nearly idle go first. */
const BUSY_RATIO = 0.75;
const IDLE_RATIO = 0.25;

/** @returns for which node `asking` should leave the work, and why; undefined when it may have it at once. */
export function betterPlace(
  asking: NodeFacts,
  work: { readonly requirements: string; readonly kind: WorkKind; readonly home?: Home | undefined },
  others: readonly NodeFacts[],
): Deferral | undefined {
  const { home } = work;
  let best: { readonly node: NodeFacts; readonly gain: number; readonly why: string } | undefined;
  for (const other of others) {
    if (other.node === asking.node || !isThere(other, work.kind)) continue;
    const better = work.kind === "model" ? sooner(asking, other, work.requirements, home) : idler(asking, other, home);
    if (better === undefined) continue;
    const isBest = best === undefined || better.gain > best.gain;
    // By id between equals, so that the order of the nodes decides nothing.
    if (isBest || (better.gain === best?.gain && other.node < best.node.node)) best = { node: other, ...better };
  }
  return best === undefined ? undefined : { to: best.node.node, why: best.why };
}

function isThere({ takesWork, silentMs, places }: NodeFacts, kind: WorkKind): boolean {
  return takesWork && silentMs < HEARD_WITHIN_MS && (places?.[kind].free ?? 0) > 0;
}

type Better = { readonly gain: number; readonly why: string };

function sooner(asking: NodeFacts, other: NodeFacts, requirements: string, home: Home | undefined): Better | undefined {
  const [here, there] = [asking, other].map(({ expectedSeconds }) => expectedSeconds.get(requirements));
  const [lostHere, lostThere] = [lossOf(asking, home), lossOf(other, home)];
  if (here === undefined || there === undefined) return lostHere > lostThere ? atHome(other, home) : undefined;
  const gain = here + lostHere - (there + lostThere);
  if (gain < MIN_GAIN_SECONDS || gain < MIN_GAIN_RATIO * (here + lostHere)) return undefined;
  return {
    gain,
    why:
      `${other.name} is expected to do it in ${seconds(there)}${lossText(other, home)}, ` +
      `${asking.name} in ${seconds(here)}${lossText(asking, home)}`,
  };
}

/** PL4 */
function lossOf({ node }: NodeFacts, home: Home | undefined): number {
  return home === undefined || home.node === node ? 0 : home.lossSeconds;
}

function lossText({ node }: NodeFacts, home: Home | undefined): string {
  if (home === undefined || home.node === node) return "";
  return ` and ${seconds(home.lossSeconds)} for ${home.what}, which it lacks`;
}

function atHome({ name }: NodeFacts, home: Home | undefined): Better | undefined {
  if (home === undefined || home.lossSeconds < MIN_GAIN_SECONDS) return undefined;
  return {
    gain: home.lossSeconds,
    why: `${name} has ${home.what}, without which ${seconds(home.lossSeconds)} are lost`,
  };
}

/** Where a command finds what was left for it, it goes unless that node is nearly full. */
function idler(asking: NodeFacts, other: NodeFacts, home: Home | undefined): Better | undefined {
  if (home?.node === asking.node) return undefined;
  const isFull = (busyRatio(other) ?? 0) >= BUSY_RATIO;
  if (home?.node === other.node) return isFull ? undefined : atHome(other, home);
  const here = busyRatio(asking);
  const there = busyRatio(other);
  if (here === undefined || there === undefined || here < BUSY_RATIO || there > IDLE_RATIO) return undefined;
  const why = `${percent(here)} of ${asking.name}'s places are taken and ${percent(there)} of ${other.name}'s`;
  return { gain: here - there, why };
}

function busyRatio({ places }: NodeFacts): number | undefined {
  const shell = places?.shell;
  return shell === undefined || shell.total <= 0 ? undefined : 1 - shell.free / shell.total;
}

function seconds(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}
