/**
 * Optional check: builds drover for linux-arm64 and runs it here under qemu's user emulation, which needs no ARM
 * machine: its version, then `selftest`, whose node opens, writes and backs up its databases through the embedded ARM addon.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { sourceVersion } from "./revision.ts";
import { smokeTest } from "./smoke.ts";

const root = dirname(import.meta.dir);
/** Where Debian's cross packages put the ARM C library that the executable is linked to. */
const SYSROOT = "/usr/aarch64-linux-gnu";
const EXECUTABLE = join(root, "dist", "linux-arm64", "drover");

function emulator(): readonly string[] | undefined {
  if (process.platform === "linux" && process.arch === "arm64") return [];
  const found = ["qemu-aarch64", "qemu-aarch64-static"].find((name) => Bun.which(name) !== null);
  return found === undefined || !existsSync(SYSROOT) ? undefined : [found, "-L", SYSROOT];
}

function main(): number {
  const launcher = emulator();
  if (launcher === undefined) {
    console.error(
      "check:arm64: qemu's user emulation or the ARM C library is missing. On Debian and Ubuntu:\n" +
        "  apt-get install qemu-user libc6-arm64-cross libgcc-s1-arm64-cross",
    );
    return 1;
  }
  const build = spawnSync(process.execPath, [join(root, "build", "main.ts"), "--target", "linux-arm64"], {
    stdio: "inherit",
  });
  if (build.status !== 0) return 1;
  const startedMs = performance.now();
  const fault = smokeTest(EXECUTABLE, sourceVersion(root), ["--version"], launcher) ?? selftestFault(launcher);
  if (fault !== undefined) {
    console.error(`check:arm64: ${fault}`);
    return 1;
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`check:arm64: version and selftest passed under ${launcher[0] ?? "this machine"} in ${seconds} s`);
  return 0;
}

/** The steps of `selftest` that need no process of their own: an emulated one cannot start another ARM executable. */
const STEPS = ["node", "ready", "backup"];

function selftestFault(launcher: readonly string[]): string | undefined {
  const [program, ...args] = [...launcher, EXECUTABLE, "selftest", "--json"];
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  let steps: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
  try {
    // `as`: what this very build prints.
    ({ steps } = JSON.parse(stdout) as { steps: typeof steps });
  } catch {
    return `selftest printed no document; it said: ${stderr}`;
  }
  const isEmulated = launcher.length > 0;
  const failed = steps.filter(({ name, ok }) => !ok && (!isEmulated || STEPS.includes(name)));
  if (failed.length > 0) return failed.map(({ name, detail }) => `${name}: ${detail}`).join("; ");
  const missing = STEPS.filter((wanted) => !steps.some(({ name }) => name === wanted));
  return missing.length === 0 ? undefined : `selftest did not reach ${missing.join(", ")}`;
}

process.exitCode = main();
