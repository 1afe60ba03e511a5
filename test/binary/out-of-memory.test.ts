/** The kernel ends a process because memory ran out: that is told apart from a crash and from a kill by somebody. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type BinaryNode, BinaryWorld, nodePidOf, startBinaryNode } from "../support/binary-node.ts";
import { killPid } from "../support/binary-processes.ts";
import { type MemoryGroup, makeMemoryGroup } from "../support/memory-group.ts";
import { waitUntil } from "../support/wait-until.ts";

const MIB = 1024 * 1024;
/** What is left for the next node and whatever else grows a little. */
const ROOM_BYTES = 128 * MIB;
/** More than that: `tail` keeps a line without an end in memory. */
const EATEN_BYTES = 192 * MIB;

let world: BinaryWorld;
let group: MemoryGroup | undefined;
beforeEach(() => {
  world = new BinaryWorld();
  group = makeMemoryGroup();
});
afterEach(async () => {
  world.remove();
  const made = group;
  if (made !== undefined) await waitUntil("the group is empty", () => removed(made));
});

function removed(made: MemoryGroup): boolean {
  try {
    made.remove();
    return true;
  } catch {
    return false; // What was killed last is still being taken down.
  }
}

type WatchdogView = {
  readonly faults: readonly { readonly kind: string; readonly reason: string }[];
};

async function watchdogOf(node: BinaryNode): Promise<WatchdogView> {
  // `as`: the schema of the route.
  return (await node.request("GET", "/api/watchdog")).body as WatchdogView;
}

/** Waits for a node other than `before`. */
function nextNode(before: number): Promise<number> {
  return waitUntil("another node is ready", () => {
    const pid = nodePidOf(world.state);
    return pid !== before && pid;
  });
}

/** Runs a command in the group, with its own place in the order in which the kernel ends processes. */
async function runWithin({ entrance }: MemoryGroup, adjustment: number, command: string): Promise<void> {
  const script = `echo $$ >${entrance}; echo ${adjustment} >/proc/self/oom_score_adj; ${command}`;
  await once(spawn("sh", ["-c", script], { env: world.environment, stdio: "ignore" }), "exit");
}

it("a node that the kernel ends for want of memory is said to be so, and one that somebody kills is not", async (context) => {
  const within = group;
  if (within === undefined) return context.skip("no control group for memory can be made here");
  const program = join(world.path, "in-group");
  writeFileSync(program, `#!/bin/sh\necho $$ >${within.entrance}\nexec "$DROVER_EXECUTABLE" "$@"\n`, { mode: 0o755 });
  const node = await startBinaryNode(world, {
    watched: true,
    command: [program],
    env: { DROVER_EXECUTABLE: process.env["DROVER_BINARY"] ?? join(import.meta.dirname, "../../dist/drover") },
  });
  const first = nodePidOf(world.state) ?? 0;

  killPid(first);
  const second = await nextNode(first);
  // The first of all to be ended, so that it is not the one that eats.
  writeFileSync(`/proc/${second}/oom_score_adj`, "1000");
  within.limit(within.usedBytes() + ROOM_BYTES);
  await runWithin(within, 500, `head -c ${EATEN_BYTES} /dev/zero | tail -c +1 | tail >/dev/null`);
  await nextNode(second);
  const { faults } = await watchdogOf(node);

  expect(faults.map(({ kind }) => kind)).toEqual(["killed", "outOfMemory"]);
  expect(faults[1]?.reason).toBe("the kernel ended it because memory ran out");
  expect(node.log()).toContain("the kernel ended it because memory ran out");
});
