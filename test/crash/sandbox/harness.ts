/** Makes a world for a user, lets that user's worker attack it in each setting, and collects the reports. */

import { spawn } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Setting, SettingReport, SuiteOrder } from "./suite.ts";
import { makeWorld } from "./world.ts";

/** Who runs the worker. `dropped`: root, whose commands become another user. */
export type Who = "dropped" | "unprivileged";

/** Nobody's number on any host, so that limits per user count this suite alone. */
const UNPRIVILEGED = { uid: 61_234, gid: 61_234 };
const NOBODY = { uid: 65_534, gid: 65_534 };

/** A command is over in a fraction of a second; attacks that use something up are ended by this. */
const WALL_MS = 10_000;

export type HarnessOptions = {
  readonly who: Who;
  readonly settings: readonly Setting[];
  readonly launcher: readonly string[];
  readonly launcherPaths: readonly string[];
  readonly timedRuns: number;
  readonly share?: number;
  readonly wallMs?: number;
};

export const isRoot = process.getuid?.() === 0;

export async function attackAs(options: HarnessOptions): Promise<readonly SettingReport[]> {
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const worker = !isRoot ? own : options.who === "dropped" ? own : UNPRIVILEGED;
  const user = !isRoot ? own : options.who === "dropped" ? NOBODY : UNPRIVILEGED;
  const world = await makeWorld(user);
  const { settings, launcher, launcherPaths, timedRuns, share = 1, wallMs = WALL_MS } = options;
  const order: SuiteOrder = { facts: world.facts, settings, launcher, launcherPaths, timedRuns, share, wallMs };
  const file = join(world.facts.base, "order.json");
  writeFileSync(file, JSON.stringify(order), { mode: 0o644 });
  try {
    const child = spawn(process.execPath, [join(import.meta.dirname, "suite-main.ts"), file], {
      env: { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: world.facts.base, HARNESS_SECRET: "PRIVATE" },
      stdio: ["ignore", "pipe", "inherit"],
      uid: worker.uid,
      gid: worker.gid,
    });
    const reports: SettingReport[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      // `as`: printed by suite-main.ts from the type that is named here.
      reports.push(JSON.parse(line) as SettingReport);
    }
    if (reports.length !== settings.length) throw new Error(`the suite ended after ${reports.length} settings`);
    return reports;
  } finally {
    rmSync(file, { force: true });
    await world.dispose();
  }
}
