/** watchdog.json: who watches this folder and which node it started, for the next watchdog and for people. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import type { ProcessIdentity } from "./process-table.ts";

export type WatchdogFile = {
  readonly pid: number;
  readonly version: string;
  readonly startedAtMs: number;
  /** Address of the node; null while none has been ready. */
  readonly url: string | null;
  /** The generation that runs, or ran last. */
  readonly node: ProcessIdentity | null;
  /** Processes beside the node, by name. */
  readonly others: Readonly<Record<string, ProcessIdentity>>;
  /** `safe mode` and why; null in ordinary times. */
  readonly safeMode: string | null;
  /** Where safe mode answers; null in ordinary times. */
  readonly safeModeUrl: string | null;
};

export function writeWatchdogFile(path: string, file: WatchdogFile): void {
  const draft = `${path}.new`;
  const descriptor = openSync(draft, "w", 0o600);
  try {
    writeSync(descriptor, `${JSON.stringify(file)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(draft, path);
}

/** @returns the file, or undefined when there is none that can be understood. */
export function readWatchdogFile(path: string): WatchdogFile | undefined {
  try {
    // `as`: written by a watchdog; every field is looked at before it is used.
    const said = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    const { pid, version, startedAtMs, url, node, others, safeMode, safeModeUrl } = said;
    if (typeof pid !== "number" || typeof version !== "string" || typeof startedAtMs !== "number") return undefined;
    return {
      pid,
      version,
      startedAtMs,
      url: typeof url === "string" ? url : null,
      node: isIdentity(node) ? node : null,
      others: identitiesIn(others),
      safeMode: typeof safeMode === "string" ? safeMode : null,
      safeModeUrl: typeof safeModeUrl === "string" ? safeModeUrl : null,
    };
  } catch {
    return undefined;
  }
}

function identitiesIn(value: unknown): Readonly<Record<string, ProcessIdentity>> {
  if (typeof value !== "object" || value === null) return {};
  const found: Record<string, ProcessIdentity> = {};
  for (const [name, identity] of Object.entries(value)) if (isIdentity(identity)) found[name] = identity;
  return found;
}

function isIdentity(value: unknown): value is ProcessIdentity {
  if (typeof value !== "object" || value === null) return false;
  const { pid, startTicks, bootId } = value as Record<string, unknown>; // `as`: any object may be read by name
  return typeof pid === "number" && typeof startTicks === "string" && typeof bootId === "string";
}
