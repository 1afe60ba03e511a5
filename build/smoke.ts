/**
 * Runs a fresh executable the way a user's machine would: in an empty folder, with an empty environment, without
 * node_modules anywhere near. What the bundler forgot shows here and not later.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Longest run of one smoke command. A working one takes well under a second, also under emulation. */
const SMOKE_LIMIT_MS = 60_000;

/** Undefined when the executable works; else what went wrong. */
export type SmokeFault = string | undefined;

/** `--version` prints the version; `selftest` opens a database, so it needs the embedded addon. */
export type SmokeCommand = "--version" | "selftest";

/**
 * Runs each command; all must succeed, and `--version` must name `version`.
 * @param launcher what runs the executable: empty on its own platform, an emulator with its options elsewhere.
 */
export function smokeTest(
  executable: string,
  version: string,
  commands: readonly SmokeCommand[],
  launcher: readonly string[] = [],
): SmokeFault {
  const scratch = mkdtempSync(join(tmpdir(), "drover-smoke-"));
  try {
    const [empty, native] = [join(scratch, "empty"), join(scratch, "native")];
    mkdirSync(empty);
    mkdirSync(native, { mode: 0o700 });
    for (const command of commands) {
      const line = [...launcher, executable, command];
      // BUN_TMPDIR is the one variable set: the runtime unpacks the addon there before it loads it.
      const done = spawnSync(line[0] ?? executable, line.slice(1), {
        cwd: empty,
        env: { BUN_TMPDIR: native },
        encoding: "utf8",
        timeout: SMOKE_LIMIT_MS,
      });
      const said = (done.error?.message ?? `${done.stdout}${done.stderr}`).trim();
      if (done.error !== undefined || done.status !== 0) return `\`${command}\` failed; it said: ${said || "nothing"}`;
      if (command === "--version" && !said.includes(version))
        return `\`--version\` should name ${version}; it said: ${said}`;
    }
    return undefined;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
