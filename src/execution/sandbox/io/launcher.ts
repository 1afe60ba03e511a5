/**
 * `drover sandbox ORDER PROGRAM ARGV0 ARGS…`: restricts this very process, then becomes the command (execve), so that
 * no wrapper is left behind. Landlock and seccomp bind the calling thread; execve ends all the others.
 * Loaded without the rest of drover: it starts before every command.
 */
import { writeSync } from "node:fs";
import { type LaunchOrder, unwrapEnvironment } from "../launch-order.ts";
import { offerListener } from "./egress-offer.ts";
import { cPointer, cString, cStrings, errorText, type Kernel, openKernel } from "./kernel.ts";
import { enterLandlock } from "./landlock.ts";
import { applyMounts } from "./mounts.ts";
import {
  applyEarlyLimits,
  applyLateLimits,
  carryMark,
  closeDescriptorsOnExec,
  countTasks,
  dieWithParent,
  dropRights,
  forbidNewRights,
  restoreSignals,
} from "./process-limits.ts";

/** As of a shell: the command was found and could not be run. */
const EXIT_NOT_STARTED = 126;
const SECCOMP_SET_MODE_FILTER = 1;
const UMASK = 0o022;

/**
 * Never returns: the process becomes the command, or says on standard error why not and exits with 126.
 * @param argv order, program, then the command's own argument vector from its name on
 */
export function runSandboxLauncher(argv: readonly string[]): never {
  try {
    launch(argv);
  } catch (error) {
    writeSync(2, `drover sandbox: ${error instanceof Error ? error.message : String(error)}\n`);
  }
  process.exit(EXIT_NOT_STARTED);
}

function launch(argv: readonly string[]): void {
  const [text = "", program = "", ...args] = argv;
  if (!program.startsWith("/") || args.length === 0) throw new Error("this part of drover is started by its worker");
  // `as`: written by the worker of this same executable, from the type that is named here.
  const order = JSON.parse(text) as LaunchOrder;
  const kernel = openKernel();
  if (typeof kernel === "string") throw new Error(kernel);
  const env = unwrapEnvironment(process.env);
  const tasksNow = countTasks();
  restrict(kernel, order);

  const path = cString(program);
  const commandLine = cStrings(args);
  const environment = cStrings(env.map(([name, value]) => `${name}=${value}`));
  if (order.seccomp !== null) enterSeccomp(kernel, order.seccomp);
  restoreSignals(kernel);
  applyLateLimits(kernel, order.limits, tasksNow);
  const failed = kernel.call("execve", path, commandLine.list, environment.list);
  // Named here so that the strings behind the two lists live until the call has returned.
  const held = [commandLine.strings, environment.strings].length;
  throw new Error(`start ${program}: ${errorText(-failed)}${held === 0 ? "" : explain(-failed, program)}`);
}

/** The order matters: each step needs rights that a later one takes away. */
function restrict(kernel: Kernel, order: LaunchOrder): void {
  if (order.mounts !== null) applyMounts(kernel, order.mounts);
  if (order.egress !== null) offerListener(kernel, order.egress);
  closeDescriptorsOnExec(kernel);
  if (order.mark !== null) carryMark(kernel, order.mark);
  applyEarlyLimits(kernel, order.limits);
  dropRights(kernel, order.user);
  if (order.parentPid !== null) dieWithParent(kernel, order.parentPid);
  const entered = kernel.call("chdir", cString(order.cwd));
  if (entered < 0) throw new Error(`enter ${order.cwd}: ${errorText(-entered)}`);
  kernel.call("umask", UMASK);
  forbidNewRights(kernel);
  if (order.landlock !== null) enterLandlock(kernel, order.landlock);
}

function enterSeccomp(kernel: Kernel, filter: string): void {
  const code = Buffer.from(filter, "base64");
  // struct sock_fprog: u16 length in instructions of 8 bytes, padding, pointer.
  const header = BigUint64Array.of(BigInt(code.length / 8), cPointer(code));
  const entered = kernel.call("seccomp", SECCOMP_SET_MODE_FILTER, 0, header);
  if (entered < 0 || code.length === 0) throw new Error(`seccomp: ${errorText(-entered)}`);
}

function explain(errno: number, program: string): string {
  if (errno === 2) return ` (the interpreter that ${program} names is not there, or lies outside the sandbox)`;
  return errno === 13 ? ` (the sandbox does not show it, or it is not executable for this user)` : "";
}
