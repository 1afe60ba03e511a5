/** A process that the node wants to be kept alive beside it and beyond its own end, such as the server of a hub. */

import type { SupervisionPolicy } from "./policy.ts";
import { DEFAULT_POLICY } from "./process-spec.ts";
import type { Phase } from "./supervision-state.ts";

/**
 * It serves HTTP on one port of loopback, which is chosen anew for each start: `{port}` in its command stands for it.
 * A port that was used a moment ago may be taken, and not every server can share it with what is left of connections.
 */
export type KeptProcess = {
  readonly name: string;
  readonly command: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Answers 2xx while the process does its work. */
  readonly healthPath: string;
  readonly memoryLimitBytes: number;
};

/** How a kept process fares. */
export type KeptReport = {
  readonly name: string;
  readonly phase: Phase["kind"];
  readonly pid: number | null;
  /** Where it serves; null unless it is ready. */
  readonly port: number | null;
  /** Grows with each start. */
  readonly generation: number;
  /** Why it failed last. */
  readonly fault: string | null;
};

/** A node keeps one server; more than a handful is a mistake. */
const MAX_KEPT = 8;
const MAX_ARGUMENTS = 100;
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;
const PORT = "{port}";

/**
 * It is never given up: without it nothing can be written, and whoever could look after it may be days away. Each fault
 * doubles the delay up to half a minute.
 */
export const KEPT_POLICY: SupervisionPolicy = {
  ...DEFAULT_POLICY,
  probeEveryMs: 2_000,
  probeFailures: 2,
  // Nobody writes meanwhile, one that stands still hears no signal, and what it has acknowledged is on the disk.
  termGraceMs: 2_000,
  killLimitMs: 7_000,
  backoff: { firstMs: 100, maxMs: 30_000, healthyAfterMs: 60_000 },
  budget: { restarts: Number.MAX_SAFE_INTEGER, withinMs: 600_000 },
};

export function commandOn(kept: KeptProcess, port: number): readonly string[] {
  return kept.command.map((argument) => argument.replaceAll(PORT, String(port)));
}

/** @returns the list, or undefined when it is none that this version knows. */
export function parseKept(value: unknown): readonly KeptProcess[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_KEPT) return undefined;
  const list = value.map((item: unknown) => keptOf(item));
  const known = list.filter((one) => one !== undefined);
  return known.length === list.length && new Set(known.map(({ name }) => name)).size === list.length
    ? known
    : undefined;
}

function keptOf(value: unknown): KeptProcess | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  // `as`: any object may be read by name.
  const { name, command, env, healthPath, memoryLimitBytes } = value as Record<string, unknown>;
  if (typeof name !== "string" || !NAME.test(name)) return undefined;
  if (!Array.isArray(command) || command.length === 0 || command.length > MAX_ARGUMENTS) return undefined;
  const words = command.filter((word): word is string => typeof word === "string");
  if (words.length !== command.length || typeof env !== "object" || env === null) return undefined;
  const variables: Record<string, string> = {};
  for (const [key, text] of Object.entries(env)) {
    if (typeof text !== "string") return undefined;
    variables[key] = text;
  }
  if (typeof healthPath !== "string" || !healthPath.startsWith("/")) return undefined;
  if (typeof memoryLimitBytes !== "number" || !(memoryLimitBytes > 0)) return undefined;
  return { name, command: words, env: variables, healthPath, memoryLimitBytes };
}

/** @returns the reports; undefined for what is no list. */
export function parseReports(value: unknown): readonly KeptReport[] | undefined {
  // `as`: the watchdog is the same program, or one release away, and these fields keep their meaning.
  return Array.isArray(value) && value.length <= MAX_KEPT ? (value as readonly KeptReport[]) : undefined;
}
