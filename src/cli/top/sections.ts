/** The tables of `drover top`, the most important first. Pure. */
import type { TaskView } from "#api";
import { lineOf, type Part } from "../output/parts.ts";
import { bytesText, durationText, percentText } from "../output/quantities.ts";
import { type Column, renderTable } from "../output/table.ts";
import type { Terminal } from "../output/terminal.ts";
import { type Endpoint, elsewhereColumns, healthTone, healthWord } from "../tasks/endpoint-text.ts";
import { laneColumns, laneRows } from "../tasks/queue-text.ts";
import { noteOf } from "../tasks/task-text.ts";
import { type Alert, alertsOf } from "./alerts.ts";
import type { FleetNode, Snapshot } from "./snapshot.ts";

export type Section = {
  readonly heading: readonly Part[];
  readonly rows: number;
  /** Lines beside the rows: a blank one, the heading, the head of the table. */
  readonly overhead: number;
  /** @returns the table in at most `rows` rows; one that is cut says how much is missing in its last. */
  readonly lines: (rows: number) => readonly string[];
};

/** @returns those that have anything to show. */
export function sectionsOf(snapshot: Snapshot, nowMs: number, terminal: Terminal): readonly Section[] {
  const { queue, running, endpoints, elsewhere, nodes } = snapshot;
  const alerts = alertsOf(snapshot);
  const names = new Map((nodes ?? []).map(({ id, name }) => [id, name]));
  const lanes = laneRows(queue).filter(({ name, counts }) => name !== "all" && openCount(counts) > 0);
  const hidden = queue.totals.running - running.length;
  return [
    section({ text: `Alerts: ${alerts.length}`, tone: "bad" }, alerts, ALERT_COLUMNS, terminal),
    section(
      { text: `Running: ${queue.totals.running}`, tone: "busy" },
      running,
      runningColumns(nowMs, names),
      terminal,
      hidden,
    ),
    section({ text: "Endpoints", tone: "strong" }, endpoints ?? [], ENDPOINT_COLUMNS, terminal),
    section({ text: "Endpoints of other nodes", tone: "strong" }, elsewhere ?? [], elsewhereColumns(nowMs), terminal),
    section(
      { text: "Nodes", tone: "strong" },
      (nodes?.length ?? 0) > 1 ? (nodes ?? []) : [],
      nodeColumns(nowMs),
      terminal,
    ),
    section({ text: "Lanes", tone: "strong" }, lanes, laneColumns(), terminal),
  ].filter(({ rows }) => rows > 0);
}

function openCount({ waiting, ready, running }: Snapshot["queue"]["totals"]): number {
  return waiting + ready + running;
}

/** @param unread how many more there are than were read */
function section<Row>(
  heading: Part,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  terminal: Terminal,
  unread = 0,
): Section {
  const headLines = renderTable([], columns, terminal).length;
  return {
    heading: [heading],
    rows: rows.length + (rows.length > 0 && unread > 0 ? 1 : 0),
    overhead: 2 + headLines,
    lines: (given) => {
      const isCut = given < rows.length || unread > 0;
      const shown = isCut ? rows.slice(0, Math.max(0, given - 1)) : rows;
      const more = rows.length - shown.length + Math.max(0, unread);
      return [
        ...renderTable(shown, columns, terminal),
        ...(isCut ? [lineOf([{ text: `and ${more} more`, tone: "faint" }], terminal)] : []),
      ];
    },
  };
}

const ALERT_COLUMNS: readonly Column<Alert>[] = [
  { title: "WHAT", value: ({ name }) => name, tone: ({ tone }) => tone },
  { title: "WHY", value: ({ why }) => why, shrinks: true },
];

function runningColumns(nowMs: number, names: ReadonlyMap<string, string>): readonly Column<TaskView>[] {
  const node: Column<TaskView> = {
    title: "NODE",
    value: ({ node: id }) => (id === null ? "-" : (names.get(id) ?? id)),
    shrinks: true,
    optional: true,
  };
  return [
    { title: "ID", value: ({ id }) => id, optional: true },
    ...(names.size > 1 ? [node] : []),
    {
      title: "FOR",
      value: ({ startedAtMs }) => (startedAtMs === null ? "-" : durationText(Math.max(0, nowMs - startedAtMs))),
      align: "right",
    },
    { title: "TITLE", value: ({ title }) => title, shrinks: true },
    { title: "STEP", value: noteOf, shrinks: true },
  ];
}

const ENDPOINT_COLUMNS: readonly Column<Endpoint>[] = [
  { title: "ID", value: ({ id }) => id, shrinks: true },
  { title: "HEALTH", value: healthWord, tone: healthTone },
  {
    title: "RUNNING",
    value: ({ inFlight }) => inFlightText(inFlight),
    tone: ({ inFlight }) => (Object.keys(inFlight).length > 0 ? "busy" : undefined),
    shrinks: true,
  },
  { title: "LOADED", value: ({ loaded }) => loaded.map(loadedText).join(", ") || "-", shrinks: true },
  {
    title: "OTHERS",
    value: ({ outsiders }) => (outsiders === null ? "?" : String(outsiders)),
    align: "right",
    optional: true,
  },
  {
    title: "ANSWERS IN",
    value: ({ latencyMs }) => (latencyMs === null ? "-" : durationText(latencyMs)),
    align: "right",
    optional: true,
  },
];

function inFlightText(inFlight: Endpoint["inFlight"]): string {
  const texts = Object.entries(inFlight).map(([model, count]) => (count === 1 ? model : `${model} (${count})`));
  return texts.join(", ") || "-";
}

function loadedText({ name, sizeBytes, vramBytes, isExpected }: Endpoint["loaded"][number]): string {
  if (isExpected) return `${name} (loading)`;
  const isSpilled = vramBytes > 0 && vramBytes < sizeBytes;
  return `${name} ${bytesText(sizeBytes)}${isSpilled ? `, ${percentText(vramBytes / sizeBytes)} on the card` : ""}`;
}

function nodeColumns(nowMs: number): readonly Column<FleetNode>[] {
  return [
    { title: "NAME", value: ({ name, isSelf }) => (isSelf ? `${name} (this one)` : name), shrinks: true },
    { title: "ROLE", value: ({ role }) => role ?? "-", optional: true },
    {
      title: "SEEN",
      value: ({ isSelf, seenAtMs }) =>
        isSelf ? "now" : seenAtMs === null ? "-" : `${durationText(Math.max(0, nowMs - seenAtMs))} ago`,
      tone: ({ isFresh }) => (isFresh ? undefined : "warn"),
    },
    { title: "RUNNING", value: ({ running }) => String(running ?? "-"), align: "right" },
    {
      title: "VRAM",
      value: ({ vramBytes }) => (vramBytes === 0 ? "-" : bytesText(vramBytes)),
      align: "right",
      optional: true,
    },
    { title: "MODELS", value: ({ models }) => models.join(", ") || "-", shrinks: true, optional: true },
  ];
}
