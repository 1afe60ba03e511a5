/**
 * One run of install.sh in which something breaks, and everything that must hold after it:
 *   S1 the old or the new version works, where there was one; where there was none, none or the new one
 *   S2 "is installed" is said when, and only when, the run ended with 0, and then the new version is in place and runs
 *   S3 a run that ended with another code has put the old version back, service included
 *   S4 the script ends by itself
 *   S5 the next run succeeds
 *   S6 after --uninstall --purge the tree is what it was before the first run
 */
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CommandFault } from "./command-shims.ts";
import { InstallerWorld, type RunEnd, type ShellName } from "./installer-world.ts";
import { pemOf, type ReleaseKeys } from "./release-folder.ts";

export const OLD = "1.0.0";
export const NEW = "2.0.0";

/** What is met: a broken command, or a release or host that is bad. */
export type Scenario = {
  readonly shell: ShellName;
  readonly existing: boolean;
  readonly fault?: CommandFault;
  /** Sent when something hangs, instead of waiting for the script's own limit. */
  readonly signal?: "SIGTERM" | "SIGKILL";
};

export function nameOf({ shell, existing, fault, signal }: Scenario): string {
  const call = fault === undefined || fault.call === 0 ? "" : ` at call ${fault.call}`;
  const what = fault === undefined ? "nothing broken" : `${fault.command} ${fault.kind}${call}`;
  return `${shell}, ${existing ? "over 1.0.0" : "fresh"}: ${what}${signal === undefined ? "" : `, then ${signal}`}`;
}

/** A place where both versions can be had, and the keys they are signed with. */
export type Source = { readonly url: string; readonly keys: ReleaseKeys };

/** @returns what does not hold; nothing when all does. */
export async function faultsOf(scenario: Scenario, source: Source): Promise<readonly string[]> {
  const world = new InstallerWorld();
  try {
    const key = join(world.path, "root.pem");
    writeFileSync(key, pemOf(source.keys.root.publicKey));
    const args = ["--user", "--base-url", source.url, "--root-key", key];
    const before = world.tree();
    if (scenario.existing) {
      const old = await world.run([...args, "--version", OLD], { shell: scenario.shell });
      if (old.code !== 0) return [`the old version could not be installed: ${old.output}`];
    }
    const ended = await world.run([...args, "--version", NEW], {
      shell: scenario.shell,
      env: { DROVER_INSTALL_LIMIT_SECONDS: "2" },
      ...(scenario.fault === undefined ? {} : { fault: scenario.fault }),
      ...(scenario.signal === undefined ? {} : { signalWhenHung: scenario.signal }),
    });
    const faults = faultsAfter(world, scenario, ended);
    const again = await world.run([...args, "--version", NEW], { shell: scenario.shell });
    if (again.code !== 0 || workingVersion(world) !== NEW || world.active !== NEW) {
      faults.push(`S5: the next run ended with ${again.code}: ${again.output}`);
    }
    faults.push(...(await faultsOfUninstall(world, scenario, before)));
    return faults.map((fault) => `${fault}\n  the run ended with ${ended.code} and said: ${ended.output}`);
  } finally {
    world.remove();
  }
}

function faultsAfter(world: InstallerWorld, scenario: Scenario, ended: RunEnd): string[] {
  const faults: string[] = [];
  const works = workingVersion(world);
  const old = scenario.existing ? OLD : undefined;
  if (ended.timedOut) faults.push("S4: it did not end");
  if (works !== NEW && works !== old) faults.push(`S1: ${works ?? "nothing"} works`);
  const isSaid = ended.output.includes("is installed");
  if (ended.code === 0 && (works !== NEW || !isSaid)) faults.push(`S2: it ended with 0 and ${works} works`);
  if (ended.code !== 0 && /^drover \S+ is installed/m.test(ended.output)) {
    faults.push("S2: success was said after a failure");
  }
  // What was killed has put nothing back; S1 and S5 say what holds then.
  const putBack = ended.code !== 0 && ended.code !== null;
  if (putBack && works !== old) faults.push(`S3: ${works ?? "nothing"} is in place instead of ${old ?? "nothing"}`);
  if (putBack && world.active !== old)
    faults.push(`S3: ${world.active ?? "nothing"} runs instead of ${old ?? "nothing"}`);
  return faults;
}

async function faultsOfUninstall(
  world: InstallerWorld,
  scenario: Scenario,
  before: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const removed = await world.run(["--user", "--uninstall", "--purge"], { shell: scenario.shell });
  if (removed.code !== 0) return [`S6: --uninstall ended with ${removed.code}: ${removed.output}`];
  const after = world.tree();
  // A kill between making the first folder and writing that down leaves that folder, empty.
  const isExcused = (path: string): boolean =>
    scenario.signal === "SIGKILL" && (after[path] ?? "").startsWith("folder") && path.startsWith("home/user/.local");
  const left = Object.keys(after).filter((path) => after[path] !== before[path] && !isExcused(path));
  const gone = Object.keys(before).filter((path) => after[path] === undefined);
  return left.length + gone.length === 0 ? [] : [`S6: left ${left.join(", ")}; gone ${gone.join(", ")}`];
}

/** Version that the executable answers with; undefined when there is none, "broken" when it does not answer. */
export function workingVersion(world: InstallerWorld): string | undefined {
  if (!existsSync(world.bin)) return undefined;
  const { stdout } = spawnSync(world.bin, ["--version"], { encoding: "utf8" });
  return /^drover (\S+) /.exec(stdout)?.[1] ?? "broken";
}
