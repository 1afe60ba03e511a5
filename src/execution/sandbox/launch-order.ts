/**
 * What the sandbox launcher is told: one JSON argument, made by the worker of the same executable. The command and its
 * arguments follow it as they are. The command's environment travels under other names, so that nothing in it
 * (LD_PRELOAD, BUN_OPTIONS) acts on the launcher or on bubblewrap, which still run outside the sandbox.
 */
import type { LandlockOrder } from "./landlock-rights.ts";

/** `allow`: a network of the command's own, in which `proxyPort` of loopback leads to the proxy and nothing else is. */
export type SandboxNetwork = { readonly kind: "none" } | { readonly kind: "allow"; readonly proxyPort: number };

export type SandboxUser = { readonly uid: number; readonly gid: number };

/** All of them bind each process of the command alone, but for `processes`, which the kernel counts per user. */
export type SandboxLimits = {
  readonly cpuSeconds: number;
  /** The largest file a process may write. */
  readonly fileBytes: number;
  /** Memory that a process may write to (RLIMIT_DATA): unlike address space it does not count what is only reserved. */
  readonly memoryBytes: number;
  /** Null: unlimited. Runtimes with a compiler of their own reserve tens of gigabytes and do not start below that. */
  readonly addressSpaceBytes: number | null;
  readonly openFiles: number;
  /** Processes and threads beside those that the user already has. */
  readonly processes: number;
};

/** Changes of the file system's view, in a mount namespace of the command's own. Only root can ask for them. */
export type MountPlan = {
  /** Hidden behind the folder `by`, or behind an empty one in memory, which is writable or not. */
  readonly covered: readonly { readonly path: string; readonly by: string | null; readonly writable: boolean }[];
  /**
   * Shown again at their place although it lies in something covered, each after what holds it. What is not writable is
   * mounted so: Landlock asks the folders above a mount too, and the covering may be written.
   */
  readonly shown: readonly { readonly path: string; readonly writable: boolean }[];
  /** Cannot be renamed or replaced. Made before `readOnly`. */
  readonly pinned: readonly string[];
  readonly readOnly: readonly string[];
};

/** How a command with a list of allowed hosts gets to the proxy, which lives in its worker and another network. */
export type EgressOrder = {
  readonly port: number;
  /** An open socket to the worker, which is sent what listens on that port. */
  readonly handover: number;
  /** Whether the launcher makes the network; in mode strict bwrap has. */
  readonly makesNetwork: boolean;
};

export type LaunchOrder = {
  readonly cwd: string;
  readonly user: SandboxUser | null;
  readonly limits: SandboxLimits;
  /** Null: no Landlock (mode `limits`). */
  readonly landlock: LandlockOrder | null;
  /** The filter's program in base64, as the kernel takes it; null without seccomp. */
  readonly seccomp: string | null;
  readonly mounts: MountPlan | null;
  readonly egress: EgressOrder | null;
  /** What the attempt's processes are found by, see process-mark.ts; null where there is no filter to keep it. */
  readonly mark: number | null;
  /** The process that must still be the parent; null inside bubblewrap, which sees to it itself. */
  readonly parentPid: number | null;
};

const PLAIN_PREFIX = "DROVER_PASS_";
const HEX_PREFIX = "DROVER_HEX_";
/** What a shell on the way hands on: it drops variables with other names. */
const SHELL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** @returns the environment under names that mean nothing to anybody on the way. */
export function wrapEnvironment(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      SHELL_NAME.test(name) ? PLAIN_PREFIX + name : HEX_PREFIX + toHex(name),
      value,
    ]),
  );
}

/** Undoes {@link wrapEnvironment}; everything that was not wrapped is left out. */
export function unwrapEnvironment(
  wrapped: Readonly<Record<string, string | undefined>>,
): readonly (readonly [name: string, value: string])[] {
  return Object.entries(wrapped).flatMap(([name, value]) => {
    if (value === undefined) return [];
    if (name.startsWith(PLAIN_PREFIX)) return [[name.slice(PLAIN_PREFIX.length), value] as const];
    if (name.startsWith(HEX_PREFIX)) return [[fromHex(name.slice(HEX_PREFIX.length)), value] as const];
    return [];
  });
}

function toHex(text: string): string {
  return [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(hex: string): string {
  const bytes = (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
  return new TextDecoder().decode(Uint8Array.from(bytes));
}
