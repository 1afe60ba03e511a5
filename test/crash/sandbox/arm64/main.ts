/**
 * The attacks on arm64, where there is no such machine: `bun run crash:sandbox:arm64 [--share 12] [--modes kernel]
 * [--users dropped] [--folder DIR] [--minutes 20]`. Boots Debian's kernel in qemu, with the executable in dist/linux-arm64
 * (`bun build/main.ts --target linux-arm64`), and runs each n-th attack there. The machine is emulated wholly, so that
 * seccomp and Landlock are the kernel's own; it is some twenty times as slow. Ends with 1 when something got through.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runtime } from "../../../../build/parts.ts";
import { targets } from "../../../../build/targets.ts";
import { parseModes } from "../asked-settings.ts";
import { makeMachine } from "./disk.ts";
import { VERDICT } from "./words.ts";

const SOURCE = join(import.meta.dirname, "../../../..");
const NEEDED = ["qemu-system-aarch64", "apt-get", "dpkg-deb", "cpio"];

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      share: { type: "string", default: "12" },
      modes: { type: "string", default: "kernel" },
      users: { type: "string", default: "dropped" },
      folder: { type: "string" },
      minutes: { type: "string", default: "20" },
    },
  });
  const minutes = Number(values.minutes);
  const asked = parseModes(values.modes);
  if (
    !asked.ok ||
    !/^[1-9]\d*$/.test(values.share) ||
    !(minutes > 0) ||
    !/^(dropped|unprivileged|,)+$/.test(values.users)
  ) {
    console.error(asked.ok ? "--share and --minutes take numbers, --users dropped and unprivileged" : asked.error);
    return 2;
  }
  const drover = join(SOURCE, "dist/linux-arm64/drover");
  const target = targets.find(({ name }) => name === "linux-arm64");
  const missing = NEEDED.filter((program) => Bun.which(program) === null);
  if (missing.length > 0 || !existsSync(drover) || target === undefined) {
    console.error(
      `crash:sandbox:arm64 needs ${[...missing, ...(existsSync(drover) ? [] : [drover])].join(", ")}. On Debian 12:\n` +
        "  apt-get install qemu-system-arm cpio && bun build/main.ts --target linux-arm64",
    );
    return 2;
  }
  const folder = values.folder ?? mkdtempSync(join(tmpdir(), "drover-arm64-"));
  const words = [values.modes, values.share, values.users]; // checked above: nothing in them means anything to a shell
  const machine = makeMachine({
    folder,
    source: SOURCE,
    drover,
    bun: runtime(target, SOURCE),
    script: `cd /srv/drover && bun test/crash/sandbox/arm64/guest-main.ts ${words.join(" ")}\n`,
  });
  if (!machine.ok) {
    console.error(machine.error);
    return 2;
  }
  console.log(`the machine is in ${folder}; remove it, or give it as --folder to the next run`);
  const faults = await boot(machine.value.kernel, machine.value.archive, minutes * 60_000);
  console.log(faults === undefined ? "the machine ended before its verdict" : `${faults} faults on arm64`);
  return faults === 0 ? 0 : 1;
}

/** @returns the number of faults that the machine told, undefined when it told none within its time. */
async function boot(kernel: string, archive: string, limitMs: number): Promise<number | undefined> {
  const machine = ["-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "3072", "-no-reboot"];
  const serial = ["-nographic", "-nodefaults", "-serial", "stdio"];
  const child = spawn(
    "qemu-system-aarch64",
    [
      ...machine,
      ...serial,
      "-kernel",
      kernel,
      "-initrd",
      archive,
      "-append",
      "console=ttyAMA0 quiet panic=-1 rdinit=/init",
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const timer = setTimeout(() => child.kill("SIGKILL"), limitMs);
  let told = "";
  for await (const piece of child.stdout) {
    const text = String(piece).replaceAll("\r", "");
    process.stdout.write(text);
    told += text;
  }
  clearTimeout(timer);
  const verdict = new RegExp(`^${VERDICT} (\\d+)$`, "m").exec(told)?.[1];
  return verdict === undefined ? undefined : Number(verdict);
}
