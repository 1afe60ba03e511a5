/** What a tool loop does, seen while it does it: faster than progress is told, and through the death of the node. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { command } from "../support/binary-command.ts";
import { type BinaryNode, BinaryWorld, startBinaryNode } from "../support/binary-node.ts";
import { gate, type ReplyBuilder, reply } from "../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../support/models/scripted-server.ts";
import { submitTask, taskEnds } from "../support/node-tasks.ts";

const LIMIT_MS = 60_000;
const ROUNDS = 8;
const CALLS = 4;

let world: BinaryWorld;
let server: ScriptedServer;
let node: BinaryNode | undefined;
beforeEach(async () => {
  world = new BinaryWorld();
  server = await startScriptedServer({ models: [{ name: "a", capabilities: ["completion", "tools"] }] });
});
afterEach(async () => {
  await node?.kill();
  node = undefined;
  world.remove();
  await server.stop();
});

/** @param port of the node before it, for a client that comes back */
async function start(port = "0"): Promise<BinaryNode> {
  const endpoints = JSON.stringify([{ name: "one", url: server.url }]);
  node = await startBinaryNode(world, {
    env: { DROVER_ENDPOINTS: endpoints, DROVER_HW_DISCOVER: "false", DROVER_HTTP_PORT: port },
  });
  return node;
}

function manyCalls(round: number): ReplyBuilder {
  let calls = reply();
  for (let call = 0; call < CALLS; call += 1) {
    calls = calls.toolCall("write_file", { path: `${round}-${call}.txt`, content: "x\n" }, `c${round}${call}`);
  }
  return calls;
}

type Step = Readonly<Record<string, unknown>>;

function linesOf(text: string): readonly Step[] {
  const lines = text.split("\n").filter((line) => line !== "");
  // `as`: each line is a step, which is an object.
  return lines.map((line) => JSON.parse(line) as Step);
}

describe("the live view of a tool loop", { timeout: LIMIT_MS }, () => {
  it("shows every call and result of a fast loop once, with its tool, and ends with the task", async () => {
    const running = await start();
    const begin = gate();
    server.enqueue(manyCalls(0).waitFor(begin.opened));
    for (let round = 1; round < ROUNDS; round += 1) server.enqueue(manyCalls(round));
    server.enqueue(reply().text("Done."));
    const { id } = await submitTask(running, { title: "many", prompt: "Write many files." });
    const followed = command(world, ["task", "logs", id, "--follow", "--json"]);
    await server.chat(1);
    // Progress is told at most once a second.
    const watched = await command(world, ["top", "--json", "--interval", "300ms", "--count", "8"]);
    begin.open();

    const { code, stdout } = await followed;

    const steps = linesOf(stdout);
    const called = steps.filter(({ kind }) => kind === "called");
    const observed = steps.filter(({ kind }) => kind === "observed");
    const paths = Array.from({ length: ROUNDS * CALLS }, (_, n) => `${Math.floor(n / CALLS)}-${n % CALLS}.txt`);
    expect(watched.code).toBe(0);
    expect(linesOf(watched.stdout).at(-1)).toMatchObject({
      running: [{ id, progress: { message: "ask 1" } }],
      endpoints: [{ id: "one", inFlight: { "a:latest": 1 } }],
    });
    expect(code).toBe(0);
    expect(called.map(({ call }) => /\d+-\d+\.txt/.exec(String(call))?.[0])).toEqual(paths);
    expect(new Set(called.map(({ tool }) => tool))).toEqual(new Set(["write_file"]));
    expect(observed).toHaveLength(ROUNDS * CALLS);
    expect(
      observed.every(
        ({ tool, error, attempt, taskId }) => tool === "write_file" && error === null && attempt === 1 && taskId === id,
      ),
    ).toBe(true);
    expect(steps.at(-1)).toMatchObject({ kind: "ended", end: { kind: "final" } });
    const kept = linesOf(readFileSync(join(world.state, "logs", `${id}-1.steps.jsonl`), "utf8"));
    expect(steps.map(({ kind, atMs }) => [kind, atMs])).toEqual(kept.map(({ kind, atMs }) => [kind, atMs]));
  });

  it("goes on where it was when the node is killed and comes back", async () => {
    const first = await start();
    const never = gate();
    server.enqueue(manyCalls(0), reply().waitFor(never.opened));
    const { id } = await submitTask(first, { title: "many", prompt: "Write many files." });
    const followed = command(world, ["task", "logs", id, "--follow", "--json"]);
    await server.chat(2);

    await first.kill();
    server.enqueue(manyCalls(1), reply().text("Done."));
    const second = await start(new URL(first.url).port);
    await taskEnds(second, id);
    never.open();
    const { code, stdout } = await followed;

    const calls = linesOf(stdout).flatMap(({ kind, call }) =>
      kind === "called" ? [/\d+-\d+/.exec(String(call))?.[0]] : [],
    );
    expect(code).toBe(0);
    expect(calls).toEqual([0, 1].flatMap((round) => [0, 1, 2, 3].map((call) => `${round}-${call}`)));
  });
});
