/**
 * Commands that drover runs for itself in a folder of its own, confined as those of a task are: without network, under
 * another user where drover is root, and never seeing the node's state. For what is not to be trusted and is no task:
 * the build and the tests of a source that an agent changed.
 */
import { realpathSync } from "node:fs";
import { type Clock, err, type Failure, MARKER_NAME, ok, type Result } from "#base";
import type { SandboxPlan } from "../attempt-plan.ts";
import { allowedEnvironment, type Environment } from "../environment.ts";
import { makePrivateFolder, removePrivateFolder } from "../sandbox/io/private-folder.ts";
import { chooseUser, handOver } from "../sandbox/io/sandbox-user.ts";
import { sandboxedStart } from "../sandbox/io/start-sandboxed.ts";
import type { StopSwitch } from "../stop-switch.ts";
import { noCommand } from "../wanted-commands.ts";
import { checkWay, type SandboxLauncher } from "./attempt-sandbox.ts";
import { type CommandRun, runCommand } from "./command.ts";
import { endTree } from "./process-tree.ts";
import { startProcess } from "./start-process.ts";

export type ConfinedPlace = {
  readonly sandbox: SandboxPlan;
  /** The node's state folder, which the commands do not see; the next two lie in it. */
  readonly stateDir: string;
  /** What the commands may change. It is handed to their user. */
  readonly workspace: string;
  /** Gets their HOME and TMPDIR. */
  readonly privateFolder: string;
  /** Further paths that they may read. */
  readonly readOnly: readonly string[];
  /** Folders whose names they may see. */
  readonly listed: readonly string[];
  readonly launcher: SandboxLauncher;
  /** Carried by each process, so that none is left: 32 hexadecimal digits that nobody can guess. */
  readonly marker: string;
  readonly stop: StopSwitch;
  readonly clock: Clock;
};

export type ConfinedRequest = {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Environment;
  readonly wallMs: number;
  readonly outputBytes: number;
};

/** Runs one command to its end; no process of it is left then. */
export type RunConfined = (request: ConfinedRequest) => Promise<CommandRun>;

/** Prepares the place. Fails, and starts nothing, where commands cannot be confined as planned. */
export function confinedCommands(place: ConfinedPlace): Result<RunConfined, Failure> {
  const { sandbox, stateDir, workspace, privateFolder, launcher, marker, stop, clock } = place;
  if (sandbox.commandsRefused !== null) return err(noCommand("a build", sandbox.commandsRefused));
  const plan = { kind: "private", path: workspace } as const;
  const user = chooseUser(plan, sandbox.user);
  if (!user.ok) return user;
  const mustReach = sandbox.mode !== "strict" && !sandbox.support.mounts.available;
  const given = handOver(plan, user.value, { stateDir, mustReach });
  if (!given.ok) return given;
  const root = realpathSync(workspace);
  const reached = mustReach ? checkWay(root, user.value) : ok(undefined);
  if (!reached.ok) return reached;
  const made = makePrivateFolder(privateFolder, user.value);
  if (!made.ok) return made;
  const start = sandboxedStart(startProcess, {
    policy: {
      mode: sandbox.mode,
      workspace: root,
      readWrite: [],
      readOnly: place.readOnly,
      listed: place.listed,
      privateFolder,
      hidden: [stateDir],
      network: { kind: "none" },
      limits: sandbox.limits,
      user: user.value,
    },
    support: sandbox.support,
    launcher: launcher.command,
    launcherPaths: launcher.paths,
    passedVariables: [],
    onTampering: () => undefined, // The copy is thrown away.
  });
  return ok(({ env, ...request }) =>
    runCommand(
      { ...request, env: { ...allowedEnvironment(process.env), ...env, [MARKER_NAME]: marker } },
      { clock, start, stop, marker, adoptsOrphans: false },
    ),
  );
}

/** Of work that a killed node left: ends every process that carries its marker. */
export async function endMarked(marker: string, clock: Clock): Promise<void> {
  await endTree({ marker, adoptsOrphans: false }, clock);
}

/** Removes a folder that confined commands could write, also what they made unreadable. */
export function removeConfined(folder: string): Result<void, Failure> {
  return removePrivateFolder(folder);
}
