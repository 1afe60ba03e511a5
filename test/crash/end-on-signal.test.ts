import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BinaryWorld } from "../support/binary-node.ts";
import { waitUntil } from "../support/wait-until.ts";

/** It builds a release first. */
const NODE_LIMIT_MS = 60_000;

let world: BinaryWorld;
beforeEach(() => {
  world = new BinaryWorld();
});
afterEach(() => world.remove());

describe("bun run crash:swap", () => {
  // Of the signals that ask for an end one: what follows is the same for all, and each run builds a release.
  it("that gets SIGTERM ends with all that it started, and with 143", async () => {
    const run = spawn(process.execPath, [join(import.meta.dirname, "swap", "main.ts")], {
      env: world.environment,
      stdio: "ignore",
    });
    const ended = once(run, "exit");
    const nodes = () => world.processes().filter(({ command }) => command.includes("drover node"));
    await waitUntil("watchdog and node run", () => nodes().length > 0, NODE_LIMIT_MS);

    run.kill("SIGTERM");

    expect(await ended).toEqual([143, null]);
    expect(world.processes()).toEqual([]);
    expect(readdirSync(world.temporary)).toEqual([]);
  });
});
