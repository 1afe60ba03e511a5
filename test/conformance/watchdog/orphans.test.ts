import { join } from "node:path";
import { describe, expect, it } from "vitest";

const PROGRAM = [process.execPath, join(import.meta.dirname, "../../support/orphan-reaping-main.ts")];
const AS_FIRST = ["unshare", "--pid", "--fork", "--mount-proc"];
const mayUnshare = Bun.spawnSync([...AS_FIRST, "true"], { stdio: ["ignore", "ignore", "ignore"] }).exitCode === 0;

describe("orphans", () => {
  it("that end are reaped at the second look, and Bun's own children are left to Bun", async () => {
    expect(await answer(PROGRAM)).toEqual({ isFirst: false, before: 5, afterOneLook: 5, code: 42 });
  });

  // Needs the right to make a namespace of process ids.
  it.runIf(mayUnshare)("are reaped by PID 1 of a container as well", async () => {
    expect(await answer([...AS_FIRST, ...PROGRAM])).toEqual({ isFirst: true, before: 5, afterOneLook: 5, code: 42 });
  });
});

async function answer(command: readonly string[]): Promise<unknown> {
  const child = Bun.spawn([...command], { stdio: ["ignore", "pipe", "inherit"] });
  return JSON.parse(await child.stdout.text()) as unknown;
}
