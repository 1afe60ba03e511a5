/** Resource limits, the user, and the other attributes of a process that survive execve. */
import { readFileSync } from "node:fs";
import type { SandboxLimits, SandboxUser } from "../launch-order.ts";
import { MARK_RESOURCE } from "../process-mark.ts";
import type { SyscallName } from "../syscall-table.ts";
import { errorText, type Kernel, type SyscallArgument } from "./kernel.ts";

/** include/uapi/asm-generic/resource.h; x64 and arm64 agree. */
const RLIMIT = {
  cpu: 0,
  fileSize: 1,
  data: 2,
  core: 4,
  processes: 6,
  openFiles: 7,
  addressSpace: 9,
  queues: 12,
} as const;
const PR_SET_PDEATHSIG = 1;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const LINUX_CAPABILITY_VERSION_3 = 0x2008_0522;
const SIGKILL = 9;
/** HUP, INT, QUIT, PIPE, TERM, TSTP, TTIN, TTOU, XFSZ: those that a parent may have ignored, which execve hands on. */
const RESTORED_SIGNALS = [1, 2, 3, 13, 15, 20, 21, 22, 25];
const SIG_SETMASK = 2;
const SIGNAL_SET_BYTES = 8;
const CLOSE_RANGE_CLOEXEC = 4;
const LAST_DESCRIPTOR = 0xffff_ffff;

function check(kernel: Kernel, name: SyscallName, ...args: readonly SyscallArgument[]): void {
  const result = kernel.call(name, ...args);
  if (result < 0) throw new Error(`${name}: ${errorText(-result)}`);
}

function setLimit(kernel: Kernel, resource: number, value: number): void {
  // Soft and hard alike: the command cannot raise it again.
  check(kernel, "prlimit64", 0, resource, BigUint64Array.of(BigInt(value), BigInt(value)), 0);
}

/**
 * Where the host has a limit of its own that is lower, an unprivileged launcher cannot raise it: then the marker in the
 * environment is all there is.
 */
export function carryMark(kernel: Kernel, mark: number): void {
  kernel.call("prlimit64", 0, MARK_RESOURCE, BigUint64Array.of(BigInt(mark), BigInt(mark)), 0);
}

/** The limits that the launcher itself can live with for its last moments. */
export function applyEarlyLimits(kernel: Kernel, limits: SandboxLimits): void {
  setLimit(kernel, RLIMIT.cpu, limits.cpuSeconds);
  setLimit(kernel, RLIMIT.fileSize, limits.fileBytes);
  setLimit(kernel, RLIMIT.openFiles, limits.openFiles);
  // A core file holds the environment and whatever the command read.
  setLimit(kernel, RLIMIT.core, 0);
  setLimit(kernel, RLIMIT.queues, 0);
}

/** Directly before execve: the launcher's runtime uses more threads and memory than a command may have. */
export function applyLateLimits(kernel: Kernel, limits: SandboxLimits, tasksNow: number): void {
  setLimit(kernel, RLIMIT.processes, tasksNow + limits.processes);
  setLimit(kernel, RLIMIT.data, limits.memoryBytes);
  if (limits.addressSpaceBytes !== null) setLimit(kernel, RLIMIT.addressSpace, limits.addressSpaceBytes);
}

/**
 * How many processes and threads there are on this host: an upper bound of what RLIMIT_NPROC already counts for a user.
 * That limit is of the whole user: without this base a person with a busy desktop could run nothing, and parallel
 * attempts would starve each other. Counting those of one user exactly takes 1 to 3 ms per command; this is one read.
 */
export function countTasks(): number {
  // "0.20 0.18 0.12 1/80 11206": the fourth field is running/existing (proc_loadavg(5)).
  const tasks = /\/(\d+) /.exec(readFileSync("/proc/loadavg", "latin1"))?.[1];
  if (tasks === undefined) throw new Error("/proc/loadavg does not say how many tasks there are");
  return Number(tasks);
}

/**
 * Groups first, user last: after setresuid the others would be refused. Without `user` only capabilities go. The
 * bounding set stays: under no_new_privs no program adds to what is empty.
 */
export function dropRights(kernel: Kernel, user: SandboxUser | null): void {
  if (user !== null) {
    check(kernel, "setgroups", 0, 0);
    check(kernel, "setresgid", user.gid, user.gid, user.gid);
    check(kernel, "setresuid", user.uid, user.uid, user.uid);
  }
  kernel.call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  const header = new Uint8Array(Uint32Array.of(LINUX_CAPABILITY_VERSION_3, 0).buffer);
  check(kernel, "capset", header, new Uint8Array(24));
}

/** No set-user-id program gives rights back; Landlock and seccomp ask for it. */
export function forbidNewRights(kernel: Kernel): void {
  check(kernel, "prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/**
 * The command dies with the worker that started it. Changing the user clears this, so it comes after that.
 * @throws when the worker has already died.
 */
export function dieWithParent(kernel: Kernel, parentPid: number): void {
  check(kernel, "prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (kernel.call("getppid") !== parentPid) throw new Error("the worker that wanted this command has ended");
}

/** A forgotten descriptor would pass any rule on paths. On execve and not at once, so that a failure can be told. */
export function closeDescriptorsOnExec(kernel: Kernel): void {
  check(kernel, "close_range", 3, LAST_DESCRIPTOR, CLOSE_RANGE_CLOEXEC);
}

/**
 * Ignored and blocked signals stay so over execve. Bun ignores SIGPIPE and SIGXFSZ: with them `yes | head` would not
 * end, and a program over its file limit would go on.
 */
export function restoreSignals(kernel: Kernel): void {
  const defaultAction = new Uint8Array(32);
  for (const signal of RESTORED_SIGNALS) check(kernel, "rt_sigaction", signal, defaultAction, 0, SIGNAL_SET_BYTES);
  check(kernel, "rt_sigprocmask", SIG_SETMASK, new Uint8Array(8), 0, SIGNAL_SET_BYTES);
}
