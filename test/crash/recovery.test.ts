/** What one crash costs: times are printed, and asserted only as far as a hang would show. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BinaryNode, BinaryWorld, startBinaryNode } from "../support/binary-node.ts";
import { killPid } from "../support/binary-processes.ts";
import { submitTask, taskBecomes, taskEnds } from "../support/node-tasks.ts";
import { waitUntil } from "../support/wait-until.ts";
import { workerPid } from "./rounds.ts";

let world: BinaryWorld;
let node: BinaryNode;

beforeEach(async () => {
  world = new BinaryWorld();
  node = await startBinaryNode(world);
});
afterEach(async () => {
  await node.kill();
  world.remove();
});

const linesOf = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8") : "");
const workerOf = (id: string, attempt: number): number | undefined =>
  workerPid(join(world.state, "attempts", `${id}-${attempt}`));

/** A task that writes a line when it begins and one when it ends. */
const slowTask = (seconds: number): { readonly body: object; readonly lines: string } => {
  const { workspace } = world;
  const script = `echo "begin $DROVER_ATTEMPT" >> lines; sleep ${seconds}; echo "end $DROVER_ATTEMPT" >> lines`;
  return { body: { title: "slow", workspace, command: ["sh", "-c", script] }, lines: join(workspace, "lines") };
};

describe("a task that runs while its node", () => {
  it("is killed and started again is adopted, and completes once with its first attempt", async () => {
    const { body, lines } = slowTask(3);
    const { id } = await submitTask(node, body);
    await waitUntil("the command runs", () => linesOf(lines) !== "");
    const worker = await waitUntil("the worker is known", () => workerOf(id, 1));

    await node.kill();
    const killedAtMs = performance.now();
    node = await startBinaryNode(world);
    console.log(`node killed → serving again: ${Math.round(performance.now() - killedAtMs)} ms`);
    const during = workerOf(id, 1);
    const task = await taskEnds(node, id);

    expect(during).toBe(worker);
    expect(task.state).toBe("done");
    expect(task.attempts.map(({ n, outcome }) => [n, outcome])).toEqual([[1, "passed"]]);
    expect(linesOf(lines)).toBe("begin 1\nend 1\n");
  });

  it("is away ends without it, and its result is applied at the next start", async () => {
    const { body, lines } = slowTask(0.5);
    const { id } = await submitTask(node, body);
    await waitUntil("the command runs", () => linesOf(lines) !== "");
    await node.kill();
    await waitUntil("the result is on disk", () => existsSync(join(world.state, "attempts", `${id}-1`, "result.json")));

    node = await startBinaryNode(world);
    const task = await taskEnds(node, id);

    expect(task.state).toBe("done");
    expect(task.attempts.map(({ n, outcome }) => [n, outcome])).toEqual([[1, "passed"]]);
    expect(linesOf(lines)).toBe("begin 1\nend 1\n");
  });

  it("is told to stop is given back without an attempt counted", async () => {
    const { body } = slowTask(60);
    const { id } = await submitTask(node, body);
    await waitUntil("the worker is known", () => workerOf(id, 1));

    const stoppedAtMs = performance.now();
    const code = await node.stop();
    const stoppedInMs = performance.now() - stoppedAtMs;
    node = await startBinaryNode(world, { env: { DROVER_EXECUTOR_SHELL_CONCURRENCY: "1" } });
    const task = await taskBecomes(node, id, "it runs again", ({ state }) => state === "running");

    expect(code).toBe(0);
    // The command sleeps for a minute and the node waits 20 s for a worker that it cannot reach.
    expect(stoppedInMs).toBeLessThan(10_000);
    expect(task.attempts).toEqual([]);
  });
});

describe("a task whose worker", () => {
  it("is killed is offered again, with the attempt counted and nothing of it left", async () => {
    const { body, lines } = slowTask(60);
    const { id } = await submitTask(node, body);
    await waitUntil("the command runs", () => linesOf(lines) !== "");
    const worker = await waitUntil("the worker is known", () => workerOf(id, 1));

    killPid(worker);
    const killedAtMs = performance.now();
    const task = await taskBecomes(node, id, "the attempt is counted as lost", ({ attempts }) => attempts.length > 0);
    console.log(`worker killed → offered again: ${Math.round(performance.now() - killedAtMs)} ms`);

    expect(task.attempts.map(({ n, outcome }) => [n, outcome])).toEqual([[1, "lost"]]);
    await waitUntil("the second attempt runs", () => linesOf(lines).includes("begin 2"));
    const sleeps = () => world.processes().filter(({ command }) => command === "sleep 60");
    await waitUntil("its command sleeps", () => sleeps().length > 0); // a moment after the line
    expect(sleeps()).toHaveLength(1);
  });

  it("is killed together with its node is offered again by the next one", async () => {
    const { body, lines } = slowTask(60);
    const { id } = await submitTask(node, body);
    await waitUntil("the command runs", () => linesOf(lines) !== "");
    const worker = await waitUntil("the worker is known", () => workerOf(id, 1));

    await node.kill();
    killPid(worker);
    const killedAtMs = performance.now();
    node = await startBinaryNode(world);
    await taskBecomes(node, id, "the attempt is counted as lost", ({ attempts }) => attempts.length > 0);
    console.log(`node and worker killed → offered again: ${Math.round(performance.now() - killedAtMs)} ms`);

    await waitUntil("the second attempt runs", () => linesOf(lines).includes("begin 2"));
    expect(world.processes().filter(({ command }) => command === "sleep 60")).toHaveLength(1);
  });
});
