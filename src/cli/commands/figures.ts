import type { Client, SuccessOf } from "../connection/api.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { ageText, durationText, moneyText, plural } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import type { Handler } from "../parsing/command.ts";

type Bottlenecks = SuccessOf<Awaited<ReturnType<Client["api"]["bottlenecks"]["$get"]>>>;
type Figures = SuccessOf<Awaited<ReturnType<Client["api"]["metrics"]["$get"]>>>;
type Distribution = Bottlenecks["durationMs"];

export const bottlenecks: Handler<{
  readonly since: string | undefined;
  readonly slowest: number | undefined;
  readonly by: keyof Bottlenecks["by"] | undefined;
}> = async ({ options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const query = {
    ...(options.since === undefined ? {} : { window: options.since }),
    ...(options.slowest === undefined ? {} : { limit: String(options.slowest) }),
  };
  const report = await api.value.ask("find the bottlenecks", (client) => client.api.bottlenecks.$get({ query }));
  if (!report.ok) return console.fail(report.error);
  if (console.json) console.document(report.value);
  else printBottlenecks(report.value, options.by, context);
  return EXIT.ok;
};

function printBottlenecks(
  report: Bottlenecks,
  by: keyof Bottlenecks["by"] | undefined,
  { console, environment }: CommandContext,
): void {
  const window = durationText(report.windowMs);
  if (report.attempts === 0) {
    console.note(`No attempt ended within the last ${window}. Look further back with: --since 7d`);
    return;
  }
  console.line(`${plural(report.attempts, "attempt")} within ${window}: ${outcomesText(report.outcomes)}`);
  if (!report.isWhole) console.note("There were more than could be looked at; the figures are of the latest.");
  console.line();
  const rows = [
    ...(by === undefined
      ? report.groups.map((group) => ({ name: `${group.executor} on ${group.node}`, ...group }))
      : report.by[by]),
    { name: "all", attempts: report.attempts, durationMs: report.durationMs, waitMs: report.waitMs },
  ];
  console.table(rows, [
    { title: "WHERE", value: ({ name }) => name, shrinks: true },
    { title: "ATTEMPTS", value: ({ attempts }) => String(attempts), align: "right", optional: true },
    ...spread("RUN", ({ durationMs }: { readonly durationMs: Distribution }) => durationMs),
    ...spread("WAIT", ({ waitMs }: { readonly waitMs: Distribution }) => waitMs),
  ]);
  const nowMs = environment.clock.nowMs();
  printSlow("Slowest", report.slowest, nowMs, console);
  const waits = report.longestWaits.filter(({ waitMs }) => waitMs > 0);
  if (waits.length > 0) printSlow("Waited longest", waits, nowMs, console);
}

/** The three percentiles that the product promises. */
function spread<Row>(name: string, of: (row: Row) => Distribution): readonly Column<Row>[] {
  return (["p50", "p95", "p99"] as const).map((percentile) => ({
    title: `${name} ${percentile.toUpperCase()}`,
    value: (row) => (of(row).count === 0 ? "-" : durationText(of(row)[percentile])),
    align: "right",
    optional: percentile !== "p95",
  }));
}

function printSlow(
  title: string,
  rows: Bottlenecks["slowest"],
  nowMs: number,
  console: CommandContext["console"],
): void {
  if (rows.length === 0) return;
  console.line();
  console.line(console.paint("strong", title));
  console.table(rows, [
    { title: "TASK", value: ({ taskId }) => taskId },
    { title: "TRY", value: ({ n }) => String(n), align: "right", optional: true },
    { title: "RAN", value: ({ durationMs }) => durationText(durationMs), align: "right" },
    { title: "WAITED", value: ({ waitMs }) => durationText(waitMs), align: "right" },
    {
      title: "OUTCOME",
      value: ({ outcome }) => outcome,
      tone: ({ outcome }) => (outcome === "passed" ? "good" : "bad"),
    },
    { title: "ENDED", value: ({ endedAtMs }) => `${ageText(endedAtMs, nowMs)} ago`, align: "right", optional: true },
    { title: "TITLE", value: ({ title: name }) => name, shrinks: true },
  ]);
}

export const metrics: Handler<{ readonly node: string | undefined }> = async ({ options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const query = options.node === undefined ? {} : { node: options.node };
  const found = await api.value.ask("show the figures", (client) => client.api.metrics.$get({ query }));
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else printFigures(found.value, console);
  return EXIT.ok;
};

function printFigures(found: Figures, console: CommandContext["console"]): void {
  console.line(`Attempts that ended within the last ${durationText(found.windowMs)}`);
  if (!found.isWhole) console.note("There were more than could be looked at; the figures are of the latest.");
  console.table(found.nodes, [
    { title: "NODE", value: ({ name, node }) => name ?? node, shrinks: true },
    { title: "RUNNING", value: ({ running }) => (running === null ? "-" : String(running)), align: "right" },
    { title: "ENDED", value: ({ attempts }) => String(attempts), align: "right" },
    { title: "PER MINUTE", value: ({ perMinute }) => perMinute.toFixed(1), align: "right", optional: true },
    {
      title: "PASSED",
      value: ({ passedRatio }) => (passedRatio === null ? "-" : `${(passedRatio * 100).toFixed(1)} %`),
      align: "right",
    },
    ...spread("RUN", ({ durationMs }: { readonly durationMs: Distribution }) => durationMs),
    ...spread("WAIT", ({ waitMs }: { readonly waitMs: Distribution }) => waitMs),
    { title: "TOKENS", value: ({ tokens }) => String(tokens), align: "right", optional: true },
    { title: "COST", value: ({ costMicrodollars }) => moneyText(costMicrodollars), align: "right", optional: true },
  ]);
  const rates = found.rates.map(
    ({ windowMs, perSecond }) => `${perSecond.toFixed(2)} per second over ${durationText(windowMs)}`,
  );
  if (rates.length > 0) console.line(`Rate: ${rates.join(", ")}`);
}

function outcomesText(outcomes: Readonly<Record<string, number>>): string {
  return Object.entries(outcomes)
    .map(([outcome, count]) => `${count} ${outcome}`)
    .join(", ");
}
