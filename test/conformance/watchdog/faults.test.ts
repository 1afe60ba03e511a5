import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import type { FaultReport } from "../../crash/faults/fault-run.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
/** Twice each kind. */
const FAULTS = 16;
const SEED = 7;
/** From the fault until ready again, on a machine that does other things as well: heartbeat limit, delay and start. */
const AFTER_CRASH_LIMIT_MS = 5_000;

describe("a supervised process", () => {
  it("is ready again after each kind of fault, which is recorded as what it was, and nothing of it is left", async () => {
    const command = [process.execPath, join(ROOT, "test/crash/faults/main.ts"), "--child"];
    const run = Bun.spawn([...command, "--faults", String(FAULTS), "--seed", String(SEED), "--json"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    // `as`: our own program prints exactly this.
    const report = JSON.parse(await run.stdout.text()) as FaultReport;

    expect(report.wrong).toEqual([]);
    expect(report).toMatchObject({ faults: FAULTS, leakedProcesses: 0, zombies: 0 });
    expect(report.descriptorsAfter).toBeLessThanOrEqual(report.descriptorsBefore);
    for (const times of Object.values(report.readyAgainMs)) expect(times).toHaveLength(FAULTS / 8);
    expect(Math.max(...report.readyAgainMs.kill, ...report.readyAgainMs.exit)).toBeLessThan(AFTER_CRASH_LIMIT_MS);
    // 32 MiB were written; three files of 256 KiB may be kept.
    expect(report.logBytes).toBeGreaterThan(512 * 1024);
    expect(report.logBytes).toBeLessThanOrEqual(3 * 256 * 1024);
    expect(await run.exited).toBe(0);
  }, 90_000);
});
