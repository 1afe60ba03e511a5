/**
 * The arguments of bwrap(1) for strict mode. bwrap makes the namespaces and the view of the file system; it runs our own
 * launcher inside, which adds the other layers. B1: nothing of the host is writable but the workspace and the attempt's
 * own folder. B2: read-only parts come after what they lie in.
 */
import type { MountPlan } from "./launch-order.ts";
import { COVER_BYTES, isWithin, VIEW_PATHS } from "./system-view.ts";

export type StrictView = {
  readonly workspace: string;
  readonly readWrite: readonly string[];
  /** Besides the system: what the policy adds, our own executable among it. */
  readonly readOnly: readonly string[];
  readonly home: string;
  readonly temporary: string;
  /** Parts of the workspace that must not be replaced or written. */
  readonly guarded: Pick<MountPlan, "pinned" | "readOnly">;
  readonly cwd: string;
  /** Whether bwrap runs as root: then it needs no user namespace, and the launcher inside changes the user. */
  readonly asRoot: boolean;
};

/** What the launcher needs to change the user and to drop its rights. */
const CAPABILITIES = ["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"];

/** @returns the arguments without the program name; the command to run inside follows them. */
export function bubblewrapArguments(view: StrictView): readonly string[] {
  const bind = (option: string, paths: readonly string[]): readonly string[] =>
    paths.flatMap((path) => [option, path, path]);
  const needed = [view.home, view.temporary, view.workspace, ...view.readWrite, ...view.readOnly];
  return [
    ...(view.asRoot ? CAPABILITIES.flatMap((name) => ["--cap-add", name]) : ["--unshare-user", "--disable-userns"]),
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-uts",
    "--unshare-cgroup-try",
    // With an allow-list too: no rule of the kernel's on an address could hold a command to the proxy of the host.
    "--unshare-net",
    "--hostname",
    "sandbox",
    "--die-with-parent",
    ...foldersOnTheWay([...VIEW_PATHS, "/var/tmp"]),
    ...bind("--ro-bind-try", VIEW_PATHS),
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    ...memoryFolder("/dev/shm"),
    ...["/tmp", "/var/tmp"].flatMap((path) => temporaryFolder(path, needed, view.temporary)),
    ...foldersOnTheWay(needed),
    ...bind("--bind", [view.home, view.temporary]),
    ...bind("--ro-bind", view.readOnly),
    ...bind("--bind", [view.workspace, ...view.readWrite]),
    ...bind("--bind", view.guarded.pinned),
    ...bind("--ro-bind", view.guarded.readOnly),
    "--remount-ro",
    "/",
    "--chdir",
    view.cwd,
    "--",
  ];
}

/** The attempt's own folder on disk; only where needed paths lie beneath, memory, or they would be made in that folder. */
function temporaryFolder(path: string, needed: readonly string[], own: string): readonly string[] {
  return needed.some((one) => isWithin(one, path)) ? memoryFolder(path) : ["--bind", own, path];
}

/** Made by name, else bwrap gives them the rights of what is bound there, and a user who is not its own cannot pass. */
function foldersOnTheWay(paths: readonly string[]): readonly string[] {
  const found = new Set<string>();
  for (const path of paths) {
    const steps = path.split("/").slice(1, -1);
    for (let depth = 1; depth <= steps.length; depth += 1) found.add(`/${steps.slice(0, depth).join("/")}`);
  }
  // Those of the system come whole; the temporary ones have rights of their own.
  const isMade = (path: string): boolean =>
    [...VIEW_PATHS, "/tmp", "/var/tmp"].some((folder) => isWithin(path, folder));
  const made = [...found].filter((path) => !isMade(path) || needsOwn(path)).sort();
  return made.flatMap((path) => ["--perms", "0755", "--dir", path]);
}

/** Below a temporary folder nothing exists yet. */
function needsOwn(path: string): boolean {
  return ["/tmp", "/var/tmp"].some((folder) => path !== folder && isWithin(path, folder));
}

function memoryFolder(path: string): readonly string[] {
  return ["--perms", "1777", "--size", String(COVER_BYTES), "--tmpfs", path];
}
