import { SWAP_LABELS } from "#watchdog";
import { killAtCalls, killAtLabels, pointsOf, type Round, type Tally, type Workshop } from "./killing.ts";

/** What a recovery begins with: a swap killed between its links, after them, in probation, and while it was recorded. */
const INTERRUPTED = [
  "swap:before-current#1",
  "swap:after-current#1",
  "swap:after-journal#7",
  "swap:before-row#1",
  "swap:before-forget#1",
];

/** Calls that change which file has a name: between two of them everything is decided, so all are tried. */
const NAMING = /^(?:rename|symlink|link)/;

export type RoundReport = Tally & { readonly name: string; readonly mode: Round["mode"] };

/**
 * @param every takes one call of so many, besides those that name files; 1 takes all.
 * @param say is told of each round when it has ended.
 */
export async function runRounds(
  shop: Workshop,
  every: number,
  say: (report: RoundReport) => void,
): Promise<readonly RoundReport[]> {
  const reports: RoundReport[] = [];
  const add = (name: string, mode: Round["mode"], tally: Tally): void => {
    reports.push({ ...tally, name, mode });
    say({ ...tally, name, mode });
  };
  const calls = async (name: string, round: Round, step: number): Promise<void> => {
    const points = pointsOf(shop, round);
    const taken = points.filter(({ name }, index) => index % step === 0 || NAMING.test(name));
    add(`${name}, ${taken.length} of ${points.length} calls`, round.mode, await killAtCalls(shop, round, taken));
  };
  await calls("control: move away, copy in place", { mode: "naive", after: null }, 1);
  await calls("swap", { mode: "swap", after: null }, every);
  const swap: Round = { mode: "swap", after: null };
  add("swap, at labels", "swap", await killAtLabels(shop, swap, SWAP_LABELS));
  for (const after of every === 1 ? INTERRUPTED : INTERRUPTED.slice(0, 1)) {
    const round: Round = { mode: "recover", after };
    await calls(`start after a kill at ${after}`, round, every);
    add(`start after a kill at ${after}, at labels`, "recover", await killAtLabels(shop, round, SWAP_LABELS));
  }
  return reports;
}

export function reportLine({ name, points, missed, bootOld, bootNew, unrunnable, faults }: RoundReport): string {
  return `${name}: ${points - missed.length} of ${points} points hit; ${bootOld} start the old release, ${bootNew} the new one, ${unrunnable} none; ${faults.length} faults`;
}
