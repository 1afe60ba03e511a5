/** The scenarios of install.sh: every command it calls, broken in every way, fresh and as an upgrade, in every shell. */
import type { FaultKind } from "./command-shims.ts";
import type { ShellName } from "./installer-world.ts";
import type { Scenario } from "./scenario.ts";

/** Programs that the script runs under a limit of its own, so that it ends by itself when they hang. */
const LIMITED = ["curl", "sha256sum", "openssl", "gzip", "systemctl", "sync", "sh", "env"];
/** Programs that only a broken disk or kernel can hang; then the script is interrupted, or killed. */
const OTHERS = ["mkdir", "mv", "rm", "ln", "chmod", "cat", "sed", "tr", "head", "grep", "wc", "df", "uname", "sleep"];
/** Steps of the switch and after it, where the n-th call differs from the first. */
const LATER: readonly (readonly [string, number])[] = [
  ["mv", 3],
  ["mkdir", 2],
  ["mkdir", 4],
  ["rm", 9],
  ["chmod", 2],
  ["cat", 12],
  ["systemctl", 4],
  ["systemctl", 5],
  ["systemctl", 6],
  ["env", 1],
  ["curl", 6],
  ["sha256sum", 3],
];

/** In busybox's own userland there is no curl. */
const nameIn = (shell: ShellName, command: string): string =>
  shell === "busybox" && command === "curl" ? "wget" : command;

function ofCommand(shell: ShellName, existing: boolean, command: string, call: number): readonly Scenario[] {
  const fault = (kind: FaultKind) => ({ command: nameIn(shell, command), kind, call });
  const hanging: readonly Scenario[] = LIMITED.includes(command)
    ? [{ shell, existing, fault: fault("hanging") }]
    : [{ shell, existing, fault: fault("hanging"), signal: "SIGTERM" }];
  return [
    { shell, existing, fault: fault("failing") },
    { shell, existing, fault: fault("partial") },
    ...hanging,
    { shell, existing, fault: fault("hanging"), signal: "SIGKILL" },
  ];
}

/** All of them, for the given shells. */
export function allScenarios(shells: readonly ShellName[]): readonly Scenario[] {
  return shells.flatMap((shell) =>
    [true, false].flatMap((existing) => [
      ...[...LIMITED, ...OTHERS].flatMap((command) => ofCommand(shell, existing, command, 0)),
      ...LATER.flatMap(([command, call]) => ofCommand(shell, existing, command, call)),
    ]),
  );
}
