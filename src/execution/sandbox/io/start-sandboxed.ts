/** Wraps the one way in which commands are started, so that each of them starts inside the sandbox. */
import { closeSync, realpathSync, statSync } from "node:fs";
import { err, type Failure, MARKER_NAME, ok, type Result, terminal } from "#base";
import type { Environment } from "../../environment.ts";
import { processMark } from "../../io/marked-process.ts";
import {
  HANDED_DESCRIPTOR,
  type StartedProcess,
  type StartProcess,
  type StartRequest,
} from "../../io/start-process.ts";
import { bubblewrapArguments } from "../bubblewrap-arguments.ts";
import { sandboxEnvironment } from "../command-environment.ts";
import { landlockOrder, type PathGrant } from "../landlock-rights.ts";
import { type LaunchOrder, wrapEnvironment } from "../launch-order.ts";
import { mountPlan } from "../mount-plan.ts";
import type { SandboxPolicy, SandboxSupport } from "../policy.ts";
import { encodeFilter, filterProgram } from "../seccomp-filter.ts";
import { sandboxArch } from "../syscall-table.ts";
import { DEVICES, KERNEL_PATHS, SHARED_FOLDERS, SYSTEM_PATHS } from "../system-view.ts";
import { signalOfStatus } from "../wait-status.ts";
import { type Handover, openHandover } from "./egress-handover.ts";
import { findNestedRepositories } from "./nested-repositories.ts";
import { type PrivatePlaces, privatePlaces } from "./private-folder.ts";
import { RepositoryGuard } from "./repository-guard.ts";
import {
  findRepository,
  type GuardedRepository,
  protectionOf,
  type RepositoryProtection,
} from "./repository-layout.ts";
import { impassableAncestors, userName } from "./sandbox-user.ts";
import { findVisibleProgram } from "./visible-program.ts";

export type SandboxContext = {
  readonly policy: SandboxPolicy;
  readonly support: SandboxSupport;
  /** How this executable starts its hidden part; the first is its own path. */
  readonly launcher: readonly string[];
  /** What the launcher is read from besides its executable, for strict mode: a source tree. */
  readonly launcherPaths: readonly string[];
  /** Names that the operator lets pass although they look like secrets. */
  readonly passedVariables: readonly string[];
  /** Told what a command changed of git's steering files, and that is as before again. */
  readonly onTampering: (paths: readonly string[]) => void;
  /** Where a network of kind `allow` leads to. */
  readonly proxy?: CommandProxy | undefined;
  /** Told the names of variables that a command was not given. */
  readonly onWithheld?: (names: readonly string[]) => void;
};

export type CommandProxy = {
  /**
   * Serves one command.
   * @param handover where its launcher sends what it listens on; closed by the proxy
   * @returns ends that
   */
  readonly attach: (handover: number) => () => void;
};

/**
 * Of the launcher, and not handed on to the command. A compiler that starts a thread after the limits and the filter are
 * in force is refused it, and the runtime aborts: without Landlock's calls before them, 23 of 300 commands of an
 * unprivileged user in mode limits ended so, and none of 300 with this.
 */
const LAUNCHER_ENVIRONMENT = { BUN_JSC_useConcurrentJIT: "0" };

/** bwrap must outlive the SIGTERM that its group gets: the command inside has its time to end by itself. */
const IGNORE_ENDING = 'trap "" HUP INT TERM; exec "$@"';

/**
 * The sandboxed form of `start`. A command whose sandbox cannot be built is not started; what a command without sandbox
 * would be told of a missing program it is told here too. In strict mode an end by signal n arrives as exit code 128+n
 * and is reported as that signal.
 */
export function sandboxedStart(start: StartProcess, context: SandboxContext): StartProcess {
  const sandbox = new Sandbox(start, context);
  return (request) => sandbox.start(request);
}

class Sandbox {
  readonly #start: StartProcess;
  readonly #context: SandboxContext;
  readonly #places: PrivatePlaces;
  /** Of all commands: computed once, since each costs a look at the disk. */
  readonly #grants: readonly PathGrant[];
  readonly #visible: readonly string[];
  readonly #landlockAbi: number;
  readonly #filter: string | null;
  #guard: { readonly key: string; readonly guard: RepositoryGuard } | undefined;
  /** Those that were there before the first command: what a command makes is its own. */
  #nested: readonly GuardedRepository[] | undefined;

  constructor(start: StartProcess, context: SandboxContext) {
    const { policy, support } = context;
    this.#start = start;
    this.#context = context;
    this.#places = privatePlaces(policy.privateFolder);
    this.#landlockAbi = Math.min(support.landlockAbi, policy.highestLandlockAbi ?? Number.POSITIVE_INFINITY);
    this.#filter = this.#seccompFilter();
    this.#grants = this.#staticGrants();
    const writable = [policy.workspace, ...policy.readWrite, this.#places.home, this.#places.temporary];
    this.#visible =
      policy.mode === "limits"
        ? ["/"]
        : [...SYSTEM_PATHS, ...policy.readOnly, ...writable, ...this.#runtime()].flatMap(canonical);
  }

  start(request: StartRequest): Result<StartedProcess, Failure> {
    const { policy } = this.#context;
    const nul = [...request.command, request.cwd].find((text) => text.includes("\0"));
    if (nul !== undefined) return err(terminal("invalid", "start command: an argument holds a NUL", "Remove it"));
    const program = findVisibleProgram(request, this.#visible, policy.user);
    if (!program.ok) return program;
    const protection = protectionOf(findRepository(policy.workspace));
    const guard = this.#guardOf(protection);
    const sealed = guard.seal();
    if (!sealed.ok) return sealed;

    const handover = this.#openHandover();
    if (!handover.ok) return handover;
    const started = this.#start({
      ...this.#request(request, program.value, protection),
      handed: handover.value?.theirs,
    });
    const detach = this.#attach(handover.value, started.ok);
    return started.ok ? ok(this.#guarded(started.value, guard, detach)) : started;
  }

  #openHandover(): Result<Handover | undefined, Failure> {
    return this.#context.policy.network.kind === "none" ? ok(undefined) : openHandover();
  }

  /** @returns ends the proxy's part in the command. */
  #attach(handover: Handover | undefined, isStarted: boolean): () => void {
    if (handover === undefined) return () => undefined;
    closeSync(handover.theirs);
    const { proxy } = this.#context;
    if (proxy !== undefined && isStarted) return proxy.attach(handover.ours);
    closeSync(handover.ours);
    return () => undefined;
  }

  #request(request: StartRequest, program: string, protection: RepositoryProtection): StartRequest {
    const env = this.#environment(request, program, protection);
    // Without our calls into the kernel there is mode limits alone, and of it the environment.
    if (this.#context.support.platform !== "linux") return { ...request, env };
    const marker = request.env[MARKER_NAME];
    return {
      command: this.#command(request, program, protection),
      cwd: "/",
      // The marker under its own name too: so a worker that comes after us finds bwrap, and a launcher that hangs.
      env: {
        ...LAUNCHER_ENVIRONMENT,
        ...wrapEnvironment(env),
        ...(marker === undefined ? {} : { [MARKER_NAME]: marker }),
      },
      stdin: request.stdin,
    };
  }

  #guarded(started: StartedProcess, guard: RepositoryGuard, detach: () => void): StartedProcess {
    const { policy, onTampering } = this.#context;
    return {
      ...started,
      exited: policy.mode === "strict" ? started.exited.then(signalOfStatus) : started.exited,
      // Called when no process of the command is left, so that nothing is changed behind the guard's back.
      release: () => {
        started.release();
        detach();
        const changed = guard.restore();
        if (changed.length > 0) onTampering(changed);
      },
    };
  }

  #guardOf(protection: RepositoryProtection): RepositoryGuard {
    const { watched } = protection;
    const key = watched.join("\0");
    if (this.#guard?.key !== key) {
      const { workspace, privateFolder } = this.#context.policy;
      const own = { gitDir: protection.pinned[0] ?? null, watched, nestedIn: null };
      this.#nested ??= findNestedRepositories(workspace);
      const repositories = [...(watched.length === 0 ? [] : [own]), ...this.#nested];
      this.#guard = { key, guard: new RepositoryGuard(repositories, privateFolder) };
    }
    return this.#guard.guard;
  }

  #environment(request: StartRequest, program: string, protection: RepositoryProtection): Environment {
    const { policy, passedVariables, onWithheld } = this.#context;
    // Our own executable as a JavaScript runtime, started for a check: it reads no settings that a command could write.
    const isRuntime = request.env["BUN_BE_BUN"] === "1" && canonical(program)[0] === this.#runtime()[0];
    const { env, withheld } = sandboxEnvironment(request.env, {
      home: isRuntime ? this.#places.empty : this.#places.home,
      temporary: this.#places.temporary,
      userName: policy.user === null ? (request.env["USER"] ?? String(process.getuid?.())) : userName(policy.user.uid),
      proxyPort: policy.network.kind === "allow" ? policy.network.proxyPort : null,
      safeFolders: policy.user === null ? [] : [policy.workspace, ...protection.readable],
      passed: [MARKER_NAME, ...passedVariables, ...(isRuntime ? ["BUN_BE_BUN"] : [])],
    });
    if (withheld.length > 0) onWithheld?.(withheld);
    return env;
  }

  #command(request: StartRequest, program: string, protection: RepositoryProtection): readonly string[] {
    const { policy, launcher, support } = this.#context;
    const { empty } = this.#places;
    const order = JSON.stringify(this.#order(request, protection));
    const inside = [...launcher, order, program, ...request.command];
    if (policy.mode !== "strict") return inside;
    const view = bubblewrapArguments({
      workspace: policy.workspace,
      readWrite: [...policy.readWrite, ...protection.writable],
      readOnly: [
        ...new Set([
          ...policy.readOnly,
          ...this.#runtime(),
          ...this.#context.launcherPaths,
          empty,
          ...protection.readable,
        ]),
      ],
      ...this.#places,
      guarded: { pinned: protection.pinned, readOnly: protection.readOnly.filter(exists) },
      cwd: "/",
      asRoot: policy.user !== null,
    });
    return ["/bin/sh", "-c", IGNORE_ENDING, "sh", support.bubblewrap ?? "bwrap", ...view, ...inside];
  }

  #order(request: StartRequest, protection: RepositoryProtection): LaunchOrder {
    const { policy } = this.#context;
    const marker = request.env[MARKER_NAME];
    const port = policy.network.kind === "allow" ? policy.network.proxyPort : null;
    const handover = { handover: HANDED_DESCRIPTOR, makesNetwork: policy.mode !== "strict" };
    const grants = [
      ...this.#grants,
      ...protection.readable.flatMap((path) => grant(path, "read")),
      ...protection.writable.flatMap((path) => grant(path, "write")),
    ];
    return {
      cwd: request.cwd,
      user: policy.user,
      limits: policy.limits,
      landlock:
        policy.mode === "limits" || this.#landlockAbi === 0 ? null : landlockOrder(this.#landlockAbi, grants, port),
      seccomp: this.#filter,
      mounts: this.#changesMounts() ? this.#mountPlan(protection) : null,
      egress: port === null ? null : { port, ...handover },
      mark: marker === undefined || this.#filter === null ? null : processMark(marker),
      parentPid: policy.mode === "strict" ? null : process.pid,
    };
  }

  #seccompFilter(): string | null {
    const { policy, support } = this.#context;
    const arch = sandboxArch(support.arch);
    if (!support.seccomp.available || arch === undefined) return null;
    const program = filterProgram({
      arch,
      network: policy.network.kind === "allow" ? "tcp" : "none",
      landlockAbi: policy.mode === "limits" ? 0 : this.#landlockAbi,
      ownIpc: policy.mode === "strict" || this.#changesMounts(),
    });
    return Buffer.from(encodeFilter(program)).toString("base64");
  }

  /** In strict mode bwrap has done it; unprivileged processes may not. */
  #changesMounts(): boolean {
    const { policy, support } = this.#context;
    return policy.mode !== "strict" && policy.user !== null && support.mounts.available;
  }

  #mountPlan(protection: RepositoryProtection): LaunchOrder["mounts"] {
    const { policy } = this.#context;
    const { home, temporary, empty } = this.#places;
    const { user } = policy;
    const readable = [...policy.readOnly, ...this.#runtime(), empty, ...protection.readable].flatMap(canonical);
    const writable = [policy.workspace, ...policy.readWrite, home, temporary, ...protection.writable].flatMap(
      canonical,
    );
    const closed = user === null ? [] : impassableAncestors([...readable, ...writable], user);
    return mountPlan({
      readable,
      writable,
      hidden: [...policy.hidden, ...closed],
      shared: SHARED_FOLDERS.filter(exists),
      temporary,
      pinned: protection.pinned,
      readOnly: protection.readOnly.filter(exists),
    });
  }

  #staticGrants(): readonly PathGrant[] {
    const { policy } = this.#context;
    const { home, temporary, empty } = this.#places;
    const ownTemporaries = policy.mode === "strict" || this.#changesMounts() ? SHARED_FOLDERS : [];
    return [
      ...[...SYSTEM_PATHS, ...KERNEL_PATHS, ...policy.readOnly, ...this.#runtime(), empty].flatMap((path) =>
        grant(path, "read"),
      ),
      ...[policy.workspace, ...policy.readWrite, home, temporary, ...ownTemporaries].flatMap((path) =>
        grant(path, "write"),
      ),
      ...DEVICES.flatMap((path) => grant(path, "device")),
      ...this.#listed().flatMap((path) => grant(path, "list")),
    ];
  }

  /** In a view of strict they lead to what is bound; in the shared folders of a changed view everything may be listed. */
  #listed(): readonly string[] {
    const { mode, listed = [] } = this.#context.policy;
    if (mode === "strict" || !this.#changesMounts()) return listed;
    return listed.filter((path) => !SHARED_FOLDERS.some((shared) => `${path}/`.startsWith(`${shared}/`)));
  }

  #runtime(): readonly string[] {
    return canonical(this.#context.launcher[0] ?? process.execPath);
  }
}

function grant(path: string, access: PathGrant["access"]): readonly PathGrant[] {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? [] : [{ path, access, kind: stat.isDirectory() ? "folder" : "file" }];
}

function canonical(path: string): readonly string[] {
  try {
    return [realpathSync(path)];
  } catch {
    return []; // It does not exist: then nothing lies in it.
  }
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
