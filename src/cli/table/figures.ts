import { err, ok } from "#base";
import { type Command, command } from "../parsing/command.ts";
import { choice, flag, text, value, whole } from "../parsing/option.ts";

/** The API's own notation for a span, passed on as it is. */
const SPAN = (given: string) =>
  /^\d{1,6}[smhd]$/.test(given) ? ok(given) : err(`must be a number with s, m, h or d, such as 24h, not "${given}"`);

export const COST_WORDS = ["state", "goal", "model", "endpoint", "node", "executor", "hour", "day"] as const;

export const FIGURE_COMMANDS: readonly Command[] = [
  command({
    name: "bottlenecks",
    section: "Figures",
    summary: "Show the slowest tasks, and p50, p95 and p99 of running and waiting",
    options: {
      since: value("TIME", "Attempts that ended within this time", SPAN, { shownDefault: "24h" }),
      by: choice(["executor", "model", "node", "lane"] as const, "Tell attempts apart by this alone"),
      slowest: whole("N", "This many of the slowest", { least: 1, most: 100 }, { shownDefault: "10" }),
    },
    load: async () => (await import("../commands/figures.ts")).bottlenecks,
  }),
  command({
    name: "cost",
    section: "Figures",
    summary: "Show what the fleet's tasks took, in tokens and money",
    notes: ["Counts attempts that ended, of tasks that are still kept. What other programs used: drover usage."],
    options: {
      by: choice(COST_WORDS, "What to sum by", { shownDefault: "day" }),
      since: value("TIME", "Attempts that ended within this time", SPAN, { shownDefault: "7d" }),
      limit: whole("N", "At most N rows", { least: 1, most: 500 }, { shownDefault: "100" }),
    },
    examples: [{ line: "drover cost --by goal --since 30d", does: "Which goals were the dearest" }],
    load: async () => (await import("../commands/costs.ts")).cost,
  }),
  command({
    name: "metrics",
    section: "Figures",
    summary: "Show the figures of the nodes",
    options: { node: text("NODE", "Only this node, by id or name") },
    load: async () => (await import("../commands/figures.ts")).metrics,
  }),
  command({
    name: "events",
    section: "Figures",
    summary: "Show the history of changes, the oldest first",
    options: {
      tail: whole("N", "The latest N", { least: 0, most: 10_000 }, { shownDefault: "20" }),
      follow: flag("Go on with new ones until interrupted", { short: "f" }),
    },
    load: async () => (await import("../commands/events.ts")).events,
  }),
];
