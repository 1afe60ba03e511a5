import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { identify } from "../../src/watchdog/io/process-table.ts";
import { Load } from "../crash/swap/load.ts";
import {
  BINARY,
  type BinaryNode,
  BinaryWorld,
  nodePidOf,
  runBinary,
  startBinaryNode,
  tryStartNode,
} from "../support/binary-node.ts";
import { killPid } from "../support/binary-processes.ts";
import { submitTask, taskEnds } from "../support/node-tasks.ts";
import { waitUntil } from "../support/wait-until.ts";

/** The least that may be set. */
const HANG_MS = 2_000;
/** SIGTERM, its grace of 5 s at most, and a start. */
const RESTART_LIMIT_MS = 7_000;

let world: BinaryWorld;
let watched: BinaryNode | undefined;

beforeEach(() => {
  world = new BinaryWorld();
});
afterEach(async () => {
  await watched?.kill();
  watched = undefined;
  world.remove();
});

async function start(env: Readonly<Record<string, string>> = {}): Promise<BinaryNode> {
  watched = await startBinaryNode(world, { watched: true, env });
  return watched;
}

/** Waits for a node other than `before` that has written that it is ready. */
function nextNode(before: number | undefined): Promise<number> {
  return waitUntil("another node is ready", () => {
    const pid = nodePidOf(world.state);
    return pid !== before && pid;
  });
}

type WatchdogView = { readonly lastFault: { readonly kind: string; readonly reason: string } | null };

async function lastFault(node: BinaryNode): Promise<WatchdogView["lastFault"]> {
  const { body } = await node.request("GET", "/api/watchdog");
  // `as`: the schema of the route.
  return (body as WatchdogView).lastFault;
}

const slow = (lines: string): object => ({
  title: "slow",
  workspace: world.workspace,
  command: ["sh", "-c", `echo begin >> ${lines}; sleep 2; echo end >> ${lines}`],
});

describe("a node under its watchdog", () => {
  it("that is killed is replaced; requests wait and its attempt goes on", async () => {
    const node = await start();
    const before = nodePidOf(world.state);
    const lines = join(world.workspace, "lines");
    const { id } = await submitTask(node, slow("lines"));
    await waitUntil("the command runs", () => existsSync(lines));

    killPid(before ?? 0);
    const killedAtMs = performance.now();
    const during = await node.request("GET", "/api/queue");
    console.log(`node killed → its next answer: ${Math.round(performance.now() - killedAtMs)} ms`);
    await nextNode(before);
    const task = await taskEnds(node, id);

    expect(during.status).toBe(200);
    expect(task.attempts.map(({ n, outcome }) => [n, outcome])).toEqual([[1, "passed"]]);
    expect(readFileSync(lines, "utf8")).toBe("begin\nend\n");
    expect(await lastFault(node)).toMatchObject({ kind: "killed" });
  });

  it("that answers nothing any more is replaced, and the reason is kept", async () => {
    const node = await start();
    const before = nodePidOf(world.state);

    process.kill(before ?? 0, "SIGSTOP");
    await nextNode(before);

    expect(await lastFault(node)).toMatchObject({ kind: "heartbeat" });
  });

  it.each(["leases", "mind"])(
    "that answers while its %s stand still is replaced in time, and the loop is named",
    async (loop) => {
      const node = await start({
        DROVER_STALL_LOOP: loop,
        DROVER_WATCHDOG_HANG_MS: String(HANG_MS),
        DROVER_WATCHDOG_HEALTHY_MS: "1",
      });
      const before = nodePidOf(world.state);
      const readyAtMs = performance.now();

      const answered = await node.request("GET", "/health/ready");
      const seen = await nextNode(before);
      const replacedInMs = performance.now() - readyAtMs;
      const fault = await lastFault(node);

      expect(answered.status).toBe(200);
      expect(seen).not.toBe(before);
      expect(fault?.kind).toBe("pulse");
      expect(fault?.reason).toContain(`its ${loop} has stood still`);
      // The loop turns once a second, is then late by HANG_MS, and is told of within a second; the rest is the restart.
      expect(replacedInMs).toBeGreaterThan(HANG_MS);
      expect(replacedInMs).toBeLessThan(HANG_MS + 2_000 + RESTART_LIMIT_MS);
    },
  );

  it("that is restarted by a person is no fault, and no request is refused meanwhile", async () => {
    const node = await start();
    const before = nodePidOf(world.state);

    const asked = runBinary(["node", "restart", "--state", world.state], { cwd: world.path, env: world.environment });
    const statuses: number[] = [];
    while (nodePidOf(world.state) === before || nodePidOf(world.state) === undefined) {
      statuses.push((await node.request("GET", "/api/queue")).status);
    }

    expect(asked).toMatchObject({ code: 0, stderr: "" });
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(await lastFault(node)).toBeNull();
  });

  it("is replaced under load without a request that fails or a stream that is cut", async () => {
    const node = await start({ DROVER_HTTP_READS_PER_SECOND: "1000000" });
    const { port } = new URL(node.url);
    const load = new Load({
      port: Number(port),
      token: node.token,
      closing: 4,
      keeping: 4,
      streaming: 2,
      path: "/api/queue",
    });
    await waitUntil("the load has begun", () => load.answered > 50);

    for (let restarts = 0; restarts < 2; restarts += 1) {
      const before = nodePidOf(world.state);
      await node.request("POST", "/api/nodes/self/restart");
      await nextNode(before);
    }
    const seen = load.answered;
    await waitUntil("the load goes on", () => load.answered > seen + 50);
    const result = await load.stop();
    console.log(`two restarts under load: ${JSON.stringify(result)}`);

    expect(result.failures).toEqual({});
    expect(result.streamsCut).toBe(0);
    expect(result.streamsEnded).toBeGreaterThanOrEqual(4);
  });

  it("ends with its watchdog, and nothing of either is left", async () => {
    const node = await start();

    const code = await node.stop();

    expect(code).toBe(0);
    expect(world.processes()).toEqual([]);
    expect(existsSync(join(world.state, "watchdog.json"))).toBe(false);
  });

  it("that a person stops by `drover down` is not started again", async () => {
    const node = await start();

    const down = runBinary(["down", "--state", world.state], { cwd: world.path, env: world.environment });
    await node.exited;

    expect(down.code).toBe(0);
    expect(world.processes()).toEqual([]);
  });
});

describe("a watchdog", () => {
  it("that is killed leaves a node that serves, and the next one takes both node and socket over", async () => {
    const first = await start();
    const nodePid = nodePidOf(world.state);
    await first.kill();
    const alone = await first.request("GET", "/api/queue");

    const second = await startBinaryNode(world, {
      watched: true,
      env: { DROVER_HTTP_PORT: new URL(first.url).port },
    });
    watched = second;
    const adopted = nodePidOf(world.state);
    process.kill(nodePid ?? 0, "SIGKILL");
    const after = await second.request("GET", "/api/queue");
    const fault = await lastFault(second);
    const run = (...args: readonly string[]): string =>
      runBinary([...args, "--state", world.state], { cwd: world.path, env: world.environment }).stdout;
    const printed = [run("status"), run("doctor"), second.log()];

    expect(alone.status).toBe(200);
    expect(second.url).toBe(first.url);
    expect(adopted).toBe(nodePid);
    expect(after.status).toBe(200);
    expect(await nextNode(nodePid)).not.toBe(nodePid);
    // Nobody but the watchdog that started it could be told that it was SIGKILL.
    expect(fault).toMatchObject({ kind: "unknown", reason: "it ended in a way that is not known" });
    for (const text of printed) {
      expect(text).toContain("in a way that is not known");
      expect(text).not.toMatch(/exit code|SIGKILL/);
    }
  });

  it("that takes a node over answers nothing before it knows the journal of its releases", async () => {
    // A process that is alive and hands nothing over: the watchdog waits for it, then ends it.
    const silent = spawn("sleep", ["60"], { stdio: "ignore" });
    const identity = await waitUntil("the silent process runs", () => identify(silent.pid ?? 0));
    mkdirSync(world.state, { mode: 0o700 });
    const left = { pid: 1, version: "0.0.1", startedAtMs: 1, url: null, node: identity, others: {}, safeMode: null };
    writeFileSync(join(world.state, "watchdog.json"), JSON.stringify(left));
    const child = spawn(BINARY, ["up", "--state", world.state], { env: world.environment, stdio: "ignore" });
    const control = join(world.state, "watchdog.sock");
    await waitUntil("the watchdog listens", () => existsSync(control));

    const socket = connect(control);
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("utf8");
    });
    const hello = { kind: "hello", protocol: 1, pid: silent.pid, generation: 1, version: "0.0.1" };
    const request = { kind: "request", id: 1, action: "status", body: null };
    socket.write(`${JSON.stringify(hello)}\n${JSON.stringify(request)}\n`);
    await waitUntil("the watchdog answers", () => text.includes('"answer"'));
    socket.destroy();
    child.kill("SIGTERM");
    await once(child, "exit");
    silent.kill("SIGKILL");

    // `as`: each line of the protocol is an object with its kind.
    const kinds = text
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { readonly kind: string }).kind);
    expect(kinds).toEqual(["socketWanted", "answer"]);
  });

  it("is alone on its state folder: a second one is refused and disturbs nothing", async () => {
    const node = await start();

    const second = await tryStartNode(world, { watched: true });

    expect(second).toMatchObject({ kind: "ended", code: 1 });
    expect(second.kind === "ended" ? second.stderr : "").toContain(`pid ${node.pid}`);
    expect((await node.request("GET", "/api/queue")).status).toBe(200);
  });

  it("refuses to start on a port that is taken, with what to do", async () => {
    const node = await start();
    const { port } = new URL(node.url);

    const other = await tryStartNode(world, {
      watched: true,
      state: join(world.path, "other"),
      env: { DROVER_HTTP_PORT: port },
    });

    expect(other.kind === "ended" ? other.stderr : "").toContain("another program listens on");
  });

  it("answers in safe mode when its node cannot start, and starts it again when asked", async () => {
    const node = await start();
    await node.stop();
    const database = join(world.state, "fleet.db");
    const good = readFileSync(database);
    writeFileSync(database, Buffer.alloc(good.length, 7));
    for (const suffix of ["-wal", "-shm"]) writeFileSync(`${database}${suffix}`, "");
    const { port } = new URL(node.url);
    const child = spawn(BINARY, ["up", "--state", world.state], {
      cwd: world.path,
      env: { ...world.environment, DROVER_HTTP_PORT: port },
      stdio: "ignore",
    });
    const safe = (): string | null => {
      const file = join(world.state, "watchdog.json");
      return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { safeMode: string | null }).safeMode : null;
    };
    await waitUntil("safe mode", () => safe() ?? undefined, 60_000);

    const page = await fetch(`${node.url}/`);
    const ready = await fetch(`${node.url}/health/ready`);
    const unauthorized = await fetch(`${node.url}/api/safe-mode`);
    const facts = await node.request("GET", "/api/safe-mode");
    const other = await node.request("GET", "/api/tasks");
    const status = runBinary(["status", "--state", world.state, "--url", node.url], {
      cwd: world.path,
      env: world.environment,
    });
    writeFileSync(database, good);
    const restart = await node.request("POST", "/api/nodes/self/restart");
    await waitUntil("the node is ready", () => nodePidOf(world.state));
    const after = await node.request("GET", "/api/queue");
    child.kill("SIGTERM");

    expect([page.status, ready.status, unauthorized.status]).toEqual([503, 503, 401]);
    expect(await page.text()).toContain("safe mode");
    expect(JSON.stringify(facts.body)).toContain("fleet.db");
    expect(other).toMatchObject({ status: 503, type: "application/problem+json" });
    expect(status.stdout).toContain("safe mode");
    expect(status.stdout).toContain("fleet.db");
    expect(status.code).toBe(4);
    expect(restart.status).toBe(202);
    expect(after.status).toBe(200);
  });

  it("in safe mode is found without node.json, and stopped by drover down with nothing left", async () => {
    const node = await start();
    await node.stop();
    writeFileSync(join(world.state, "fleet.db"), Buffer.alloc(8_192, 7));
    for (const suffix of ["-wal", "-shm"]) writeFileSync(join(world.state, `fleet.db${suffix}`), "");
    const child = spawn(BINARY, ["up", "--state", world.state], {
      cwd: world.path,
      env: { ...world.environment, DROVER_WATCHDOG_RESTARTS: "0" },
      stdio: "ignore",
    });
    const ended = once(child, "exit");
    const file = join(world.state, "watchdog.json");
    await waitUntil(
      "safe mode",
      () => existsSync(file) && readFileSync(file, "utf8").includes('"safeModeUrl":"http'),
      60_000,
    );

    const run = (...argv: readonly string[]) =>
      runBinary([...argv, "--state", world.state], { cwd: world.path, env: world.environment });
    const status = run("status", "--json");
    const down = run("down");

    expect(status).toMatchObject({ code: 4, stderr: "" });
    expect(JSON.parse(status.stdout)).toMatchObject({ safeMode: { canRollBack: false } });
    expect(status.stdout).toContain("fleet.db");
    expect(down).toMatchObject({ code: 0, stdout: "The watchdog has stopped.\n" });
    expect(await ended).toEqual([0, null]);
    expect(existsSync(file)).toBe(false);
    expect(world.processes()).toEqual([]);
  });
});
