import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { SimulatedClock } from "#base";
import { runCommand } from "../../../../src/runtime/mind/run-command.ts";
import { realClock } from "../../../support/real-clock.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
const WAIT = { timeout: 30_000 };

function isAlive(pid: number): boolean {
  try {
    // A zombie is a process that nobody has asked for its end; it runs no more.
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.startsWith("Z") === false;
  } catch {
    return false;
  }
}

describe("a command of the configuration", () => {
  it("is over when it has ended, although a service that it started holds its output open and goes on", async () => {
    const service = "sleep 600 & echo $!";

    const ended = await runCommand(["sh", "-c", service], { limitMs: 600_000, clock: realClock });

    const pid = Number(ended.ok ? ended.value : "");
    expect(isAlive(pid)).toBe(true);
    process.kill(pid, "SIGKILL");
  });

  it("that takes too long is ended with everything that it started", async () => {
    const file = join(folder(), "pid");
    const clock = new SimulatedClock();
    const run = runCommand(["sh", "-c", `sleep 600 & echo $! > ${file}.new; mv ${file}.new ${file}; wait`], {
      limitMs: 1_000,
      clock,
    });
    await vi.waitUntil(() => existsSync(file), WAIT);

    clock.advance(1_000);
    const ended = await run;

    expect(ended).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining("longer than 1000 ms") as unknown },
    });
    await vi.waitUntil(() => !isAlive(Number(readFileSync(file, "utf8"))), WAIT);
  });
});
