/** What is to be run, from the words of a command line. */
import { SANDBOX_MODES, type SandboxMode } from "../../../src/execution/sandbox/policy.ts";
import type { Setting } from "./suite.ts";

export type Asked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string };

/** @returns the named modes; a word that is no mode is an error, since what was not run looks like what held. */
export function parseModes(text: string): Asked<readonly SandboxMode[]> {
  const words = text.split(",").filter((word) => word !== "");
  const unknown = words.filter((word) => !SANDBOX_MODES.some((mode) => mode === word));
  if (unknown.length > 0)
    return {
      ok: false,
      error: `no mode of the sandbox: ${unknown.join(", ")} (there are ${SANDBOX_MODES.join(", ")})`,
    };
  return { ok: true, value: SANDBOX_MODES.filter((mode) => words.includes(mode)) };
}

/** @returns the control, and each mode on this kernel and on the Landlock of older ones. */
export function settingsFor(modes: readonly SandboxMode[], abis: string): Asked<readonly Setting[]> {
  if (modes.length === 0) return { ok: false, error: "no mode of the sandbox is named" };
  const words = abis.split(",").filter((word) => word !== "");
  const unknown = words.filter((word) => !/^[1-9]$/.test(word));
  if (unknown.length > 0) return { ok: false, error: `no ABI of Landlock: ${unknown.join(", ")}` };
  const sandboxed = modes.flatMap((mode): Setting[] => [
    { mode },
    // Mode limits enters no rule of Landlock, so that all kernels are alike to it.
    ...(mode === "limits" ? [] : words.map((word) => ({ mode, landlockAbi: Number(word) }))),
  ]);
  return { ok: true, value: [{ mode: "none" }, ...sandboxed] };
}
