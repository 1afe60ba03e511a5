/** What the queue holds, as a table. Pure. */
import type { QueueView } from "#api";
import { durationText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import type { Tone } from "../output/terminal.ts";

type Counts = QueueView["totals"];
export type LaneLine = { readonly name: string; readonly counts: Counts; readonly headReadyAgeMs: number | null };

/** @returns a row per lane and one for all of them. */
export function laneRows(queue: QueueView): readonly LaneLine[] {
  return [
    ...queue.lanes.map(({ lane, counts, headReadyAgeMs }) => ({ name: lane, counts, headReadyAgeMs })),
    { name: "all", counts: queue.totals, headReadyAgeMs: queue.oldestReadyAgeMs },
  ];
}

export function laneColumns(): readonly Column<LaneLine>[] {
  return [
    { title: "LANE", value: ({ name }) => name },
    count("waiting"),
    count("ready"),
    count("running", "busy"),
    count("done", "good"),
    count("dead", "bad"),
    count("cancelled", "warn"),
    {
      title: "NEXT WAITS",
      value: ({ headReadyAgeMs }) => (headReadyAgeMs === null ? "-" : durationText(headReadyAgeMs)),
      align: "right",
      optional: true,
    },
  ];
}

function count(state: keyof Counts, tone?: Tone): Column<LaneLine> {
  return {
    title: state.toUpperCase(),
    value: ({ counts }) => String(counts[state]),
    align: "right",
    tone: ({ counts }) => (counts[state] === 0 ? "faint" : tone),
  };
}
