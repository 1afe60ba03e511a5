/** One frame of `drover top`. Pure: what was read, the time and the terminal decide it. */

import { lineOf, type Part } from "../output/parts.ts";
import { progressBar } from "../output/progress-bar.ts";
import { durationText, freeText, instantText, percentText, plural } from "../output/quantities.ts";
import type { Terminal, Tone } from "../output/terminal.ts";
import { sectionsOf } from "./sections.ts";
import { shareRows } from "./share-rows.ts";
import type { Hardware, Snapshot } from "./snapshot.ts";

export type FrameFacts = {
  readonly snapshot: Snapshot;
  /** The one before it, for what is counted over time. */
  readonly before: Snapshot | undefined;
  /** Why the node could not be read since `snapshot`; undefined while it answers. */
  readonly lost: string | undefined;
  readonly nowMs: number;
};

export type FrameTerminal = Terminal & { readonly rows: number | undefined };

/** A bar is this wide, or narrower where the window is. */
const BAR_COLUMNS = 20;
const NARROW_BAR_COLUMNS = 8;
const NARROW_COLUMNS = 60;
/** Hosts with more cards show the rest in `drover hw`. */
const GPUS_SHOWN = 8;
const BUSY_RATIO = 0.75;
const FULL_RATIO = 0.9;

/** @returns the lines, none wider than the terminal and no more than it has rows. */
export function frameLines(facts: FrameFacts, terminal: FrameTerminal): readonly string[] {
  const { snapshot } = facts;
  const head = [titleLine(facts), ...capacityLines(snapshot.hardware, terminal), queueLine(facts)];
  if (facts.lost !== undefined) head.push(lostLine(facts, facts.lost));
  const lines = head.map((parts) => lineOf(parts, terminal));
  const sections = sectionsOf(snapshot, facts.nowMs, terminal);
  const available = terminal.rows === undefined ? undefined : terminal.rows - lines.length;
  const given = shareRows(sections, available);
  for (const [index, section] of sections.entries()) {
    const rows = given[index] ?? 0;
    if (rows > 0) lines.push("", lineOf(section.heading, terminal), ...section.lines(rows));
  }
  return lines.slice(0, terminal.rows);
}

function titleLine({ snapshot: { node, nodes }, nowMs }: FrameFacts): readonly Part[] {
  const { role } = node.fleet;
  const place = role === "solo" ? [] : [`${role} of ${plural(nodes?.length ?? 1, "node")}`];
  const facts = [node.version, `up ${durationText(node.uptimeMs)}`, ...place, instantText(nowMs)];
  return [
    { text: node.name, tone: "strong" },
    { text: " is " },
    node.ready ? { text: "ready", tone: "good" } : { text: "not ready", tone: "bad" },
    { text: `  ${facts.join(", ")}`, tone: "faint" },
  ];
}

function lostLine({ snapshot, nowMs }: FrameFacts, why: string): readonly Part[] {
  const age = durationText(Math.max(0, nowMs - snapshot.atMs));
  return [{ text: `As of ${age} ago, trying again: ${why}`, tone: "bad" }];
}

function capacityLines(hardware: Hardware | null, terminal: Terminal): readonly (readonly Part[])[] {
  if (hardware === null) return [[{ text: "The hardware is not known.", tone: "faint" }]];
  const { cpu, ram, gpus, gpusKnown } = hardware;
  const threads = cpu.availableCount ?? cpu.logicalCount;
  const count = threads === null ? "" : `of ${plural(Math.round(threads * 100) / 100, "thread")}`;
  const lines = [
    barLine("cpu", cpu.loadRatio, count, terminal),
    barLine(
      "ram",
      usedRatio(ram.availableBytes, ram.totalBytes),
      freeText(ram.availableBytes, ram.totalBytes),
      terminal,
    ),
  ];
  for (const gpu of gpus.slice(0, GPUS_SHOWN)) {
    const parts = [
      gpu.name,
      freeText(gpu.vramFreeBytes, gpu.vramBytes),
      ...(gpu.loadRatio === null ? [] : [`${percentText(gpu.loadRatio)} busy`]),
      ...(gpu.powerWatts === null ? [] : [`${Math.round(gpu.powerWatts)} W`]),
      ...(gpu.temperatureCelsius === null ? [] : [`${Math.round(gpu.temperatureCelsius)} °C`]),
    ];
    lines.push(barLine("gpu", usedRatio(gpu.vramFreeBytes, gpu.vramBytes), parts.join(", "), terminal));
  }
  if (gpus.length > GPUS_SHOWN) lines.push([{ text: `      and ${gpus.length - GPUS_SHOWN} more cards` }]);
  if (!gpusKnown) lines.push([{ text: "gpu   not known yet", tone: "faint" }]);
  return lines;
}

function usedRatio(free: number | null, total: number | null): number | null {
  return free === null || total === null || total <= 0 ? null : 1 - free / total;
}

function barLine(name: string, ratio: number | null, text: string, terminal: Terminal): readonly Part[] {
  const isNarrow = terminal.columns !== undefined && terminal.columns < NARROW_COLUMNS;
  const columns = isNarrow ? NARROW_BAR_COLUMNS : BAR_COLUMNS;
  // As wide as a bar with its figure, so that what follows stands in one column.
  const bar = ratio === null ? "unknown".padEnd(columns + 5) : progressBar(ratio, columns, terminal.unicode);
  const parts: readonly Part[] = [
    { text: name.padEnd(6), tone: "faint" },
    { text: bar, tone: loadTone(ratio) },
  ];
  return text === "" ? parts : [...parts, { text: `  ${text}` }];
}

function loadTone(ratio: number | null): Tone {
  if (ratio === null) return "faint";
  return ratio >= FULL_RATIO ? "bad" : ratio >= BUSY_RATIO ? "warn" : "good";
}

function queueLine({ snapshot, before }: FrameFacts): readonly Part[] {
  const { totals, oldestReadyAgeMs, paused } = snapshot.queue;
  const oldest = oldestReadyAgeMs === null ? "" : ` (the oldest for ${durationText(oldestReadyAgeMs)})`;
  const rate = endedPerSecond(snapshot, before);
  return [
    { text: "queue ", tone: "faint" },
    { text: `${totals.running} running`, tone: totals.running > 0 ? "busy" : undefined },
    { text: `, ${totals.ready} ready${oldest}, ${totals.waiting} waiting, ${totals.done} done` },
    ...(totals.dead > 0 ? [{ text: `, ${totals.dead} dead`, tone: "bad" as const }] : []),
    ...(rate === null ? [] : [{ text: `, ${rate.toFixed(1)} ended/s` }]),
    ...(paused ? [{ text: "; paused", tone: "warn" as const }] : []),
  ];
}

/** Null when it cannot be told: ended tasks are removed after a while, and then there are fewer than before. */
function endedPerSecond({ atMs, queue }: Snapshot, before: Snapshot | undefined): number | null {
  if (before === undefined || atMs <= before.atMs) return null;
  const ended = ({ done, dead, cancelled }: Snapshot["queue"]["totals"]): number => done + dead + cancelled;
  const more = ended(queue.totals) - ended(before.queue.totals);
  return more < 0 ? null : (more * 1_000) / (atMs - before.atMs);
}
