/**
 * Optional check: builds drover for linux-arm64 and runs it here under qemu's user emulation, which needs no ARM
 * machine: its version, then `selftest`, which opens a database through the embedded ARM addon.
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
  const fault = smokeTest(EXECUTABLE, sourceVersion(root), ["--version", "selftest"], launcher);
  if (fault !== undefined) {
    console.error(`check:arm64: ${fault}`);
    return 1;
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`check:arm64: version and selftest passed under ${launcher[0] ?? "this machine"} in ${seconds} s`);
  return 0;
}

process.exitCode = main();
