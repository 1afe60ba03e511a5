import { realpathSync } from "node:fs";
import { type Clock, err, type Failure, ok, type Result, terminal } from "#base";
import type { Assignment } from "../attempt.ts";
import { parseAllowedHosts } from "../sandbox/egress-policy.ts";
import { EgressProxy, type EgressRecord } from "../sandbox/io/egress-proxy.ts";
import { makePrivateFolder, removePrivateFolder } from "../sandbox/io/private-folder.ts";
import { chooseUser, handOver, impassableAncestors } from "../sandbox/io/sandbox-user.ts";
import { sandboxedStart } from "../sandbox/io/start-sandboxed.ts";
import type { SandboxNetwork, SandboxUser } from "../sandbox/launch-order.ts";
import { type CommandsRefused, checkNetwork } from "../sandbox/policy.ts";
import { noCommand } from "../wanted-commands.ts";
import { privateFolderOf } from "./private-leftovers.ts";
import type { StartProcess } from "./start-process.ts";

/** How the executable of a worker starts the sandbox's hidden part, and what that is read from. */
export type SandboxLauncher = { readonly command: readonly string[]; readonly paths: readonly string[] };

/** In the network of a command, where nothing else listens; the port that HTTP proxies usually have. */
const PROXY_PORT = 3_128;

export type AttemptSandbox = {
  /** Starts commands confined to the workspace. */
  readonly start: StartProcess;
  /** A folder that commands can enter and read, and never write: for a runtime that takes settings from where it is. */
  readonly emptyFolder: string;
  /** Ends what the sandbox itself keeps open, and removes what it made. Failing to is said, and changes no result. */
  readonly close: () => Failure | undefined;
};

/**
 * Confines the commands of an attempt to its workspace, which exists. A sandbox that cannot be had as planned is a
 * failure, and no command is started.
 * @param say gets what people should know: tampering that was undone, hosts that were refused
 */
export function openAttemptSandbox(
  assignment: Pick<Assignment, "taskId" | "attempt" | "sandbox" | "workspace" | "stateDir">,
  workspace: string,
  launcher: SandboxLauncher,
  clock: Clock,
  start: StartProcess,
  say: (line: string) => void,
): Result<AttemptSandbox, Failure> {
  const { sandbox, workspace: plan, stateDir } = assignment;
  const user = chooseUser(plan, sandbox.user);
  if (!user.ok) return user;
  const mustReach = sandbox.mode !== "strict" && !sandbox.support.mounts.available;
  const given = handOver(plan, user.value, { stateDir, mustReach });
  if (!given.ok) return given;
  const place = realpathSync(workspace);
  const reached = mustReach ? checkWay(place, user.value) : ok(undefined);
  if (!reached.ok) return reached;
  const { commandsRefused } = sandbox;
  const egress = openEgress(commandsRefused === null ? sandbox.allowedHosts : null, clock, say);
  if (!egress.ok) return egress;
  const proxy = egress.value;
  const network: SandboxNetwork = proxy === undefined ? { kind: "none" } : { kind: "allow", proxyPort: PROXY_PORT };
  const enforced = checkNetwork(network.kind, sandbox.mode, sandbox.support);
  if (!enforced.ok) return enforced;
  const privateFolder = privateFolderOf(stateDir, assignment);
  const places = makePrivateFolder(privateFolder, user.value);
  if (!places.ok) return places;
  const confined = sandboxedStart(start, {
    policy: {
      mode: sandbox.mode,
      workspace: place,
      readWrite: [],
      readOnly: [],
      privateFolder,
      hidden: [stateDir],
      network,
      limits: sandbox.limits,
      user: user.value,
    },
    support: sandbox.support,
    launcher: launcher.command,
    launcherPaths: launcher.paths,
    proxy,
    passedVariables: sandbox.passedVariables,
    onWithheld: (names) => say(`not handed to commands, because the names look like secrets: ${names.join(", ")}`),
    onTampering: (paths) => say(`a command changed ${paths.join(", ")}; that was undone`),
  });
  const close = (): Failure | undefined => {
    proxy?.close();
    const removed = removePrivateFolder(privateFolder);
    return removed.ok ? undefined : removed.error;
  };
  const allowed = commandsRefused === null ? confined : runtimeAlone(confined, commandsRefused);
  return ok({ start: allowed, emptyFolder: places.value.empty, close });
}

/** Of all programs only drover's own, which looks for a pattern in a file: nothing of a task decides what that does. */
function runtimeAlone(start: StartProcess, refused: CommandsRefused): StartProcess {
  return (request) =>
    request.command[0] === process.execPath && request.env["BUN_BE_BUN"] === "1"
      ? start(request)
      : err(noCommand("the command", refused));
}

/** Where commands cannot be given a view of their own, they walk to the workspace by the folders of the host. */
export function checkWay(workspace: string, user: SandboxUser | null): Result<void, Failure> {
  const [folder] = user === null ? [] : impassableAncestors([workspace], user);
  if (user === null || folder === undefined) return ok(undefined);
  const remedy = `Run chmod o+x ${folder}, or use a folder elsewhere (drover's own lie in node.state_dir)`;
  return err(
    terminal("unavailable", `use ${workspace}: commands run as user ${user.uid}, who may not pass ${folder}`, remedy),
  );
}

function openEgress(
  hosts: readonly string[] | null,
  clock: Clock,
  say: (line: string) => void,
): Result<EgressProxy | undefined, Failure> {
  if (hosts === null) return ok(undefined);
  const rules = parseAllowedHosts(hosts);
  if (!rules.ok) return rules;
  const onRequest = ({ target, allowed, reason }: EgressRecord): void => {
    if (!allowed) say(`no network to ${target}: ${reason}`);
  };
  return ok(new EgressProxy({ rules: rules.value, clock, onRequest }));
}
