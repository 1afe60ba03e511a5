/** What this host can enforce. Asked once per process; the answer changes with the kernel and the packages only. */
import { accessSync, constants, readFileSync } from "node:fs";
import { bubblewrapArguments } from "../bubblewrap-arguments.ts";
import type { Capability, SandboxSupport } from "../policy.ts";
import { sandboxArch } from "../syscall-table.ts";
import { type Kernel, openKernel } from "./kernel.ts";
import { landlockAbi } from "./landlock.ts";

/** bwrap answers within 10 ms; one that hangs must not keep a node from starting. */
const PROBE_TIMEOUT_MS = 5_000;
const MAX_REASON_CHARS = 200;
const PR_GET_SECCOMP = 21;
/** include/uapi/linux/capability.h */
const CAP_SYS_ADMIN = 21n;
/** Where distributions put it. PATH is not asked: whoever writes there would own the sandbox. */
const BUBBLEWRAP_PATHS = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap", "/run/current-system/sw/bin/bwrap"];

const NEVER_ROOT = "commands never run as root, and on this system drover cannot change their user";

const yes: Capability = { available: true };
const no = (reason: string): Capability => ({ available: false, reason });

let known: SandboxSupport | undefined;

/** @returns what can be enforced here, with the reason in words for each part that is missing. Never throws. */
export function sandboxSupport(): SandboxSupport {
  known ??= probe();
  return known;
}

function probe(): SandboxSupport {
  const kernel = openKernel();
  const uid = process.getuid?.() ?? null;
  const here = { platform: process.platform, arch: process.arch, uid };
  if (typeof kernel === "string") {
    const missing = no(kernel);
    return {
      ...here,
      landlockAbi: 0,
      landlock: missing,
      seccomp: missing,
      bubblewrap: null,
      bubblewrapRuns: missing,
      mounts: missing,
      modes: { strict: missing, kernel: missing, limits: uid === 0 ? no(NEVER_ROOT) : yes },
    };
  }
  const abi = landlockAbi(kernel);
  const landlock = abi > 0 ? yes : no("this kernel has no Landlock, or it is not enabled (Linux 5.13 or newer has it)");
  const seccomp = seccompCapability(kernel);
  const bubblewrap = BUBBLEWRAP_PATHS.find(isExecutable) ?? null;
  const bubblewrapRuns = bubblewrap === null ? no("bubblewrap is not installed") : tryBubblewrap(bubblewrap, uid === 0);
  const layers = [landlock, seccomp].find((one) => !one.available) ?? yes;
  return {
    ...here,
    landlockAbi: abi,
    landlock,
    seccomp,
    bubblewrap,
    bubblewrapRuns,
    mounts: mountCapability(uid),
    modes: { strict: layers.available ? bubblewrapRuns : layers, kernel: layers, limits: yes },
  };
}

function seccompCapability(kernel: Kernel): Capability {
  if (sandboxArch(process.arch) === undefined) return no(`there is no filter for ${process.arch}`);
  return kernel.call("prctl", PR_GET_SECCOMP, 0, 0, 0, 0) >= 0 ? yes : no("this kernel has no seccomp");
}

/** Asked in a process of its own where there is one to ask: the namespace cannot be left again. */
function mountCapability(uid: number | null): Capability {
  if (uid !== 0) return no("only root can change its view of the file system");
  const rights = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1] ?? "0";
  if (((BigInt(`0x${rights}`) >> CAP_SYS_ADMIN) & 1n) === 0n) return no("this root has no CAP_SYS_ADMIN (a container)");
  const child = Bun.spawnSync(["/bin/sh", "-c", "command -v unshare >/dev/null || exit 0; exec unshare -m true"], {
    stdio: ["ignore", "ignore", "ignore"],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    timeout: PROBE_TIMEOUT_MS,
  });
  return child.exitCode === 0 ? yes : no("this root may not make a mount namespace (a container's profile forbids it)");
}

/** The very arguments of a command, around a program that does nothing: what fails for one fails for all. */
function tryBubblewrap(path: string, asRoot: boolean): Capability {
  const view = bubblewrapArguments({
    workspace: "/usr",
    readWrite: [],
    readOnly: [],
    home: "/usr",
    temporary: "/usr",
    guarded: { pinned: [], readOnly: [] },
    cwd: "/",
    asRoot,
  });
  try {
    const child = Bun.spawnSync([path, ...view, "/bin/sh", "-c", "exit 0"], {
      stdio: ["ignore", "ignore", "pipe"],
      env: {},
      timeout: PROBE_TIMEOUT_MS,
    });
    if (child.exitCode === 0) return yes;
    const said = child.stderr.toString().trim().slice(0, MAX_REASON_CHARS);
    return no(`bubblewrap is installed and does not run: ${said === "" ? `exit code ${child.exitCode}` : said}`);
  } catch (error) {
    return no(`bubblewrap is installed and does not start: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
