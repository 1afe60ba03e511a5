/**
 * Injects faults into the node of a real `drover up`, one after the other, with tasks under way, and counts what is lost
 * and what is left behind.
 */
import { seededRandom } from "#base";
import { WatchedWorld } from "./watched-world.ts";

/** Injected from outside into a node that is sound. */
export const OUTER_FAULTS = ["exit", "segv", "kill", "stop", "flood", "grandchildren", "watchdogKilled"] as const;
export type OuterFault = (typeof OUTER_FAULTS)[number];
/** Every node of such an `up` has it: a loop that stands still, more memory than is allowed. */
export const INNER_FAULTS = ["pulse", "memory"] as const;
export type InnerFault = (typeof INNER_FAULTS)[number];
export type WatchedFault = OuterFault | InnerFault;

/** A deck of 24, as often as each is worth; hangs cost their deadline, so they are rare. */
const DECK: Readonly<Record<WatchedFault, number>> = {
  kill: 5,
  segv: 4,
  exit: 4,
  flood: 3,
  grandchildren: 2,
  stop: 2,
  watchdogKilled: 2,
  pulse: 1,
  memory: 1,
};
export const DECK_FAULTS = Object.values(DECK).reduce((sum, count) => sum + count, 0);

const INNER_SETTINGS: Readonly<Record<InnerFault, Readonly<Record<string, string>>>> = {
  // The least that may be set.
  pulse: { DROVER_STALL_LOOP: "leases", DROVER_WATCHDOG_HANG_MS: "2000" },
  // Less than any node needs: each is replaced when it is measured for the first time.
  memory: { DROVER_WATCHDOG_MEMORY_BYTES: String(32 * 1024 * 1024) },
};

export type WatchedReport = {
  readonly faults: number;
  /** From the fault until the next node answers a request; of a watchdog that was killed, until the next has taken over. */
  readonly answeredAgainMs: ReadonlyMap<WatchedFault, readonly number[]>;
  /** What was recorded otherwise than it should have been. */
  readonly wrong: readonly string[];
  /** Connections that were refused: the socket is there all the time, so that there must be none. */
  readonly refused: number;
  /** Requests whose node was killed while it had them. */
  readonly cut: number;
  readonly leakedProcesses: number;
  readonly zombies: number;
  /** Descriptors that a watchdog had more in the end than in the beginning, summed over the watchdogs. */
  readonly descriptorsGrown: number;
  readonly tasksAccepted: number;
  /** Tasks that did not end as done by one attempt that passed. */
  readonly tasksWrong: readonly string[];
  readonly logBytes: number;
};

/** @param options `faults` is rounded up to whole decks */
export async function watchedRun(options: { readonly faults: number; readonly seed: number }): Promise<WatchedReport> {
  const decks = Math.ceil(options.faults / DECK_FAULTS);
  const random = seededRandom(options.seed);
  const world = new WatchedWorld(options.seed);
  try {
    await world.begin({});
    for (let deck = 0; deck < decks; deck += 1) {
      const cards = OUTER_FAULTS.flatMap((kind) => new Array<OuterFault>(DECK[kind]).fill(kind));
      for (const kind of cards.map((card) => ({ card, at: random.next() })).sort((a, b) => a.at - b.at)) {
        await world.inject(kind.card);
      }
    }
    await world.tasksEnd();
    await world.finish();
    for (const kind of INNER_FAULTS) {
      await world.begin(INNER_SETTINGS[kind]);
      for (let count = 0; count < DECK[kind] * decks; count += 1) await world.await(kind);
      await world.finish();
    }
    return { ...world.report(), faults: decks * DECK_FAULTS };
  } finally {
    world.remove();
  }
}

export function isClean(report: WatchedReport): boolean {
  const { wrong, refused, leakedProcesses, zombies, descriptorsGrown, tasksWrong } = report;
  return wrong.length + refused + leakedProcesses + zombies + descriptorsGrown + tasksWrong.length === 0;
}
