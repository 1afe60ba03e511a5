import { ADAPTERS } from "./adapters.ts";
import type { CellAnswer } from "./cell.ts";
import { MEASUREMENTS, type Measurement } from "./measurements.ts";

/** One run of one measurement of one queue. */
export type Cell = {
  readonly round: number;
  readonly adapter: string;
  readonly measurement: Measurement;
  /** Text when the cell failed. */
  readonly answer: CellAnswer | string;
};

type Figure = { readonly median: number; readonly least: number; readonly most: number };
type Pick = (answer: CellAnswer) => number | null | undefined;

/** One column of the table. */
type Column = {
  readonly title: string;
  readonly measurement: Measurement;
  readonly pick: Pick;
  readonly digits: number;
};

const perSecond: Pick = (answer) => answer.perSecond;

const COLUMNS: readonly Column[] = [
  { title: "enqueue 1/s", measurement: "enqueue-1", pick: perSecond, digits: 0 },
  { title: "enqueue 32/s", measurement: "enqueue-32", pick: perSecond, digits: 0 },
  { title: "bulk 100/s", measurement: "enqueue-bulk", pick: perSecond, digits: 0 },
  { title: "drain 50/s", measurement: "drain", pick: perSecond, digits: 0 },
  { title: "pickup p50 ms", measurement: "pickup", pick: (answer) => answer.pickupMsP50, digits: 2 },
  { title: "pickup p99 ms", measurement: "pickup", pick: (answer) => answer.pickupMsP99, digits: 1 },
  { title: "CPU µs enqueue 32", measurement: "enqueue-32", pick: (answer) => answer.cpuUsPerTask, digits: 0 },
  { title: "CPU µs drain", measurement: "drain", pick: (answer) => answer.cpuUsPerTask, digits: 0 },
  { title: "commits/enqueue 32", measurement: "enqueue-32", pick: (answer) => answer.commitsPerTask, digits: 4 },
  { title: "commits/drain", measurement: "drain", pick: (answer) => answer.commitsPerTask, digits: 4 },
];

/** Columns in which less is better. */
const isCost = (column: Column): boolean => column.pick !== perSecond;

type Bar = { readonly what: string; readonly measurement: Measurement } & (
  | { readonly kind: "ratio"; readonly rival: string; readonly least: number }
  | { readonly kind: "below"; readonly pick: Pick; readonly most: number; readonly unit: string }
);

/** What the queue has to reach, from the design's list of bars. */
const BARS: readonly Bar[] = [
  { kind: "ratio", what: "enqueue, 32 producers", measurement: "enqueue-32", rival: "bullmq", least: 3 },
  { kind: "ratio", what: "enqueue, 32 producers", measurement: "enqueue-32", rival: "bunqueue", least: 10 },
  { kind: "ratio", what: "drain at 50", measurement: "drain", rival: "bullmq", least: 2.5 },
  { kind: "ratio", what: "drain at 50", measurement: "drain", rival: "bunqueue", least: 10 },
  { kind: "ratio", what: "drain at 50", measurement: "drain", rival: "graphile-batch", least: 1 },
  { kind: "below", what: "pickup p50", measurement: "pickup", pick: (a) => a.pickupMsP50, most: 1, unit: "ms" },
  { kind: "below", what: "pickup p99", measurement: "pickup", pick: (a) => a.pickupMsP99, most: 6, unit: "ms" },
];

/** @returns table, ratios and bars as text for a terminal. */
export function report(cells: readonly Cell[]): string {
  return [table(cells), ratios(cells), bars(cells), failures(cells)].filter((part) => part !== "").join("\n\n");
}

function table(cells: readonly Cell[]): string {
  const rows = ADAPTERS.filter(({ name }) => cells.some((cell) => cell.adapter === name)).map((info) => [
    info.name,
    ...COLUMNS.map((column) => {
      const found = figure(cells, info.name, column.measurement, column.pick);
      if (found === undefined) return "–";
      const show = (value: number): string => value.toFixed(column.digits);
      return `${show(found.median)} (${show(found.least)}–${show(found.most)})`;
    }),
    info.durability,
  ]);
  const header = ["median (range)", ...COLUMNS.map(({ title }) => title), "an acknowledged task survives"];
  return aligned([header, ...rows]);
}

function ratios(cells: readonly Cell[]): string {
  const rivals = ADAPTERS.filter(({ name, isRival }) => isRival && cells.some((cell) => cell.adapter === name));
  const columns = COLUMNS.filter(({ title }) => !title.startsWith("commits"));
  const rows = rivals.map(({ name }) => [
    `drover : ${name}`,
    ...columns.map((column) => {
      const ours = figure(cells, "drover", column.measurement, column.pick)?.median;
      const theirs = figure(cells, name, column.measurement, column.pick)?.median;
      if (ours === undefined || theirs === undefined) return "–";
      return `${(isCost(column) ? theirs / ours : ours / theirs).toFixed(2)}×`;
    }),
  ]);
  if (rows.length === 0) return "";
  return aligned([["times better (medians)", ...columns.map(({ title }) => title)], ...rows]);
}

function bars(cells: readonly Cell[]): string {
  const rows = BARS.map((bar) => {
    const name =
      bar.kind === "ratio" ? `${bar.what} ≥ ${bar.least} × ${bar.rival}` : `${bar.what} < ${bar.most} ${bar.unit}`;
    return [name, ...verdict(cells, bar)];
  });
  return aligned([["bar", "measured", ""], ...rows]);
}

function verdict(cells: readonly Cell[], bar: Bar): readonly [string, string] {
  const pick = bar.kind === "ratio" ? perSecond : bar.pick;
  const ours = figure(cells, "drover", bar.measurement, pick)?.median;
  if (bar.kind === "below") {
    if (ours === undefined) return ["–", "not measured"];
    const isReached = ours < bar.most;
    return [`${ours.toFixed(2)} ${bar.unit}`, isReached ? "reached" : `missed by ${percent(ours / bar.most - 1)}`];
  }
  const theirs = figure(cells, bar.rival, bar.measurement, pick)?.median;
  if (ours === undefined || theirs === undefined) return ["–", "not measured"];
  const ratio = ours / theirs;
  return [`${ratio.toFixed(2)} ×`, ratio >= bar.least ? "reached" : `missed by ${percent(1 - ratio / bar.least)}`];
}

function failures(cells: readonly Cell[]): string {
  return cells
    .flatMap(({ answer, adapter, measurement, round }) =>
      typeof answer === "string" ? [`failed: ${adapter}, ${measurement}, round ${round}: ${answer}`] : [],
    )
    .join("\n");
}

function figure(cells: readonly Cell[], adapter: string, measurement: Measurement, pick: Pick): Figure | undefined {
  const values = cells
    .filter((cell) => cell.adapter === adapter && cell.measurement === measurement)
    .map(({ answer }) => (typeof answer === "string" ? undefined : pick(answer)))
    .filter((value) => typeof value === "number")
    .sort((a, b) => a - b);
  const [least] = values;
  const most = values.at(-1);
  const low = values[Math.floor((values.length - 1) / 2)];
  const high = values[Math.ceil((values.length - 1) / 2)];
  if (least === undefined || most === undefined || low === undefined || high === undefined) return undefined;
  return { median: (low + high) / 2, least, most };
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`;
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** @returns the measurements named in a comma-separated list; undefined when one of them does not exist. */
export function parseMeasurements(text: string): readonly Measurement[] | undefined {
  const names = text.split(",");
  const known = MEASUREMENTS.filter((name) => names.includes(name));
  return known.length === names.length ? known : undefined;
}
