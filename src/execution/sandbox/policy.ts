/**
 * What a command of a task may do, and which mode of the sandbox enforces it. P1: no command runs as root.
 * P2: a mode that cannot be had is never replaced silently by a weaker one that was not asked for.
 */
import { err, type Failure, ok, type Result, refused } from "#base";
import { ABI_WITH_SIGNAL_SCOPE } from "./landlock-rights.ts";
import type { SandboxLimits, SandboxNetwork, SandboxUser } from "./launch-order.ts";

/**
 * - `strict`: namespaces by bubblewrap, and our own layers inside.
 * - `kernel`: Landlock, seccomp, limits; as root also a mount namespace. Needs no package.
 * - `limits`: limits, another user and seccomp alone; files of the host that its user may read stay readable.
 */
export type SandboxMode = "strict" | "kernel" | "limits";
export const SANDBOX_MODES: readonly SandboxMode[] = ["strict", "kernel", "limits"];

export type SandboxPolicy = {
  readonly mode: SandboxMode;
  /** Canonical path of the folder the command may change. */
  readonly workspace: string;
  readonly readWrite: readonly string[];
  readonly readOnly: readonly string[];
  /** Folders whose names may be listed, and those below, where a view of its own cannot be made. */
  readonly listed?: readonly string[];
  /** Folder of the attempt's own, with `home` and `tmp` inside, writable for the command. */
  readonly privateFolder: string;
  /** Folders whose content a command never sees, the node's state first; what it may use inside is shown again. */
  readonly hidden: readonly string[];
  readonly network: SandboxNetwork;
  readonly limits: SandboxLimits;
  /** Null: the user of this process, which then is not root. */
  readonly user: SandboxUser | null;
  /** Lower than the kernel's own: acts as on an older kernel. For tests. */
  readonly highestLandlockAbi?: number;
};

/** Enough for a build or a test suite of a large project, and an end for what runs away. */
export const DEFAULT_SANDBOX_LIMITS: SandboxLimits = {
  // An hour of one core: the wall limit ends what waits, this ends what spins after its worker was lost.
  cpuSeconds: 3_600,
  fileBytes: 4 * 1024 ** 3,
  // A large link or a type check of a big project; half of what a small host has.
  memoryBytes: 8 * 1024 ** 3,
  addressSpaceBytes: null,
  openFiles: 4_096,
  // A parallel build with threads of its own; a fork bomb ends here.
  processes: 512,
};

/** Whether a part can be had on this host, or in words why not. */
export type Capability = { readonly available: true } | { readonly available: false; readonly reason: string };

/** What this host can enforce, for this user. */
export type SandboxSupport = {
  readonly platform: string;
  readonly arch: string;
  readonly uid: number | null;
  /** 0 without Landlock. */
  readonly landlockAbi: number;
  readonly landlock: Capability;
  readonly seccomp: Capability;
  /** Path of bwrap, when there is one. */
  readonly bubblewrap: string | null;
  readonly bubblewrapRuns: Capability;
  /** Mount namespaces made by ourselves: only root may. */
  readonly mounts: Capability;
  readonly modes: Readonly<Record<SandboxMode, Capability>>;
};

export type SandboxChoice = {
  readonly mode: SandboxMode;
  /** For `doctor` and the record of the attempt: why this mode, and what it leaves open. */
  readonly reason: string;
  /** Why no command of a task is started in this mode, and what to do; null when they are. */
  readonly commandsRefused: CommandsRefused | null;
};

/** What is said to whoever wanted a command on a node that starts none. */
export type CommandsRefused = { readonly reason: string; readonly remedy: string };

/**
 * Chooses the mode: the strongest that can be had, or exactly the one asked for.
 * @param allowUnsandboxed whether the operator accepts commands in mode `limits`; without, the node works with its
 *   file tools alone
 */
export function chooseSandbox(
  asked: "auto" | SandboxMode,
  support: SandboxSupport,
  allowUnsandboxed: boolean,
): Result<SandboxChoice, Failure> {
  const mode = asked === "auto" ? SANDBOX_MODES.find((one) => support.modes[one].available) : asked;
  if (mode === undefined) {
    return refuse(`no sandbox can be had: ${whyNot(support, "kernel")}`, "Run drover on Linux, x64 or arm64");
  }
  const capability = support.modes[mode];
  if (!capability.available) {
    return refuse(`sandbox mode ${mode} cannot be had: ${capability.reason}`, remedyFor(mode, support));
  }
  const commandsRefused = mode === "limits" && !allowUnsandboxed ? commandsRefusedIn(support) : null;
  return ok({ mode, reason: describeChoice(mode, asked, support), commandsRefused });
}

function commandsRefusedIn(support: SandboxSupport): CommandsRefused {
  const instead = SANDBOX_MODES.find((one) => one !== "limits" && support.modes[one].available);
  const better =
    instead === undefined
      ? "Use a kernel with Landlock (Linux 5.13 or newer)"
      : `Set sandbox.mode to ${instead} or auto`;
  const why = instead === undefined ? ` (${whyNot(support, "kernel")})` : "";
  return {
    reason: `sandbox mode limits does not keep commands from the files of this host${why}`,
    remedy: `${better}, or accept it with sandbox.allow_unsandboxed = true`,
  };
}

function refuse(message: string, remedy: string): Result<never, Failure> {
  return err(refused("unsupported", message, remedy));
}

function whyNot(support: SandboxSupport, mode: SandboxMode): string {
  const capability = support.modes[mode];
  return capability.available ? `mode ${mode} is there` : capability.reason;
}

function remedyFor(mode: SandboxMode, support: SandboxSupport): string {
  const other = SANDBOX_MODES.find((one) => one !== "limits" && support.modes[one].available);
  const instead = other === undefined ? "" : `, or set sandbox.mode to ${other} or auto`;
  switch (mode) {
    case "strict":
      return support.bubblewrap === null
        ? `Install bubblewrap (the package is called bubblewrap everywhere)${instead}`
        : `Let this user create user namespaces (on Ubuntu: an AppArmor profile for bwrap)${instead}`;
    case "kernel":
      return `Use Linux 5.13 or newer with Landlock enabled (lsm=landlock,… on the kernel's command line)${instead}`;
    case "limits":
      return "Run drover on Linux, x64 or arm64";
  }
}

function describeChoice(mode: SandboxMode, asked: "auto" | SandboxMode, support: SandboxSupport): string {
  const how = asked === "auto" ? "the strongest that can be had here" : "as configured";
  switch (mode) {
    case "strict":
      return `strict, ${how}: namespaces by bubblewrap, Landlock ABI ${support.landlockAbi}, seccomp`;
    case "kernel":
      return `kernel, ${how}: Landlock ABI ${support.landlockAbi}, seccomp${kernelGaps(support)}`;
    case "limits":
      return `limits, ${how}: files of this host stay readable to commands`;
  }
}

function kernelGaps(support: SandboxSupport): string {
  const gaps = ["names of files and processes of the host stay visible"];
  if (!support.mounts.available) gaps.push("git hooks are put back after a command instead of being read-only");
  if (support.landlockAbi < ABI_WITH_SIGNAL_SCOPE) gaps.push("commands can signal other processes of their user");
  return ` (${gaps.join("; ")})`;
}

/**
 * Whether the network of a policy can be enforced. An allow-list that cannot be kept is refused, never widened: it needs
 * a network of the command's own. In that of the host Landlock could hold a command to the proxy's port and to no
 * address, and a server anywhere that listens on that port would be reached past the list.
 */
export function checkNetwork(
  network: SandboxNetwork["kind"],
  mode: SandboxMode,
  support: SandboxSupport,
): Result<void, Failure> {
  if (network === "none" || mode === "strict") return ok(undefined);
  if (mode === "limits") {
    return refuse(
      "a list of allowed hosts cannot be kept in mode limits: nothing would hold a command to it",
      "Set sandbox.network = none, or use mode strict or kernel",
    );
  }
  if (support.mounts.available) return ok(undefined);
  return refuse(
    `a list of allowed hosts needs a network of the command's own, which mode kernel cannot make here: ${support.mounts.reason}`,
    support.modes.strict.available
      ? "Set sandbox.mode to strict or auto, or sandbox.network = none"
      : `${remedyFor("strict", support)}, or set sandbox.network = none`,
  );
}
