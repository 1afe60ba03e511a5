/** What the watchdog says in the node's place, while no node can run. */
import { err, ok, type Result } from "#base";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import type { Api } from "./api.ts";

export type SafeMode = {
  readonly version: string;
  readonly sinceMs: number;
  readonly reason: string;
  /** The last ones, oldest first. */
  readonly faults: readonly { readonly atMs: number; readonly reason: string }[];
  readonly lastLines: readonly string[];
  readonly log: string;
  readonly canRollBack: boolean;
};

/** Whether a call failed because safe mode is on. */
export function isSafeMode({ document }: Fault): boolean {
  return fieldOf(document, "code") === "safe_mode";
}

export async function askSafeMode(api: Api, action: string): Promise<Result<SafeMode, Fault>> {
  const said = await api.askPath(action, "/api/safe-mode");
  if (!said.ok) return said;
  const view = readSafeMode(said.value);
  if (view !== undefined) return ok(view);
  const message = `${action}: the watchdog answered in a form that this command does not know`;
  const remedy = "Use the drover of the version that runs";
  return err({ failure: { kind: "terminal", code: "unsupported", message, remedy }, exit: EXIT.failed });
}

/** @returns undefined when it says nothing of what failed. What a watchdog of another version leaves out is empty. */
export function readSafeMode(document: unknown): SafeMode | undefined {
  const reason = fieldOf(document, "reason");
  if (typeof reason !== "string") return undefined;
  const [version, sinceMs, log] = ["version", "sinceMs", "log"].map((name) => fieldOf(document, name));
  return {
    reason,
    version: typeof version === "string" ? version : "",
    sinceMs: typeof sinceMs === "number" ? sinceMs : 0,
    log: typeof log === "string" ? log : "",
    faults: listOf(document, "faults").flatMap((fault) => {
      const [atMs, text] = [fieldOf(fault, "atMs"), fieldOf(fault, "reason")];
      return typeof atMs === "number" && typeof text === "string" ? [{ atMs, reason: text }] : [];
    }),
    lastLines: listOf(document, "lastLines").filter((line) => typeof line === "string"),
    canRollBack: fieldOf(document, "canRollBack") === true,
  };
}

function listOf(value: unknown, name: string): readonly unknown[] {
  const list = fieldOf(value, name);
  return Array.isArray(list) ? list : [];
}

function fieldOf(value: unknown, name: string): unknown {
  // `as`: any object may be read by name.
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
