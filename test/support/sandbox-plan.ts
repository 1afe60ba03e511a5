import {
  chooseSandbox,
  DEFAULT_SANDBOX_LIMITS,
  type SandboxLauncher,
  type SandboxMode,
  type SandboxPlan,
  sandboxSupport,
} from "#execution";

/** The mode for all suites of the executor, to prove one that this host would not choose: `strict`, `kernel`, `limits`. */
const ASKED = process.env["DROVER_TEST_SANDBOX"] ?? "auto";

/** The sandbox of this host as a node chooses it by itself, or the one that DROVER_TEST_SANDBOX names. */
export function sandboxPlan(): SandboxPlan {
  const support = sandboxSupport();
  // `as`: any other word is no key of the modes, and is refused here like a mode that cannot be had.
  const choice = chooseSandbox(ASKED as "auto" | SandboxMode, support, ASKED === "limits");
  if (!choice.ok) throw new Error(choice.error.message);
  return {
    mode: choice.value.mode,
    commandsRefused: choice.value.commandsRefused,
    support,
    allowedHosts: null,
    user: "nobody",
    limits: DEFAULT_SANDBOX_LIMITS,
    passedVariables: [],
  };
}

/** The sandbox's hidden part from source, as the executable starts itself with `sandbox`. */
export const sandboxLauncher: SandboxLauncher = {
  command: [process.execPath, `${import.meta.dirname}/../conformance/sandbox/sandbox-main.ts`],
  paths: [process.execPath, `${import.meta.dirname}/../..`],
};
