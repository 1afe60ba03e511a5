import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeFailure, FLEET_FILE, ok, type Result, silentLogger, sleep, terminal } from "#base";
import type { Console, SelftestOptions } from "#cli";
import { openStores } from "#store";
import { loadConfig } from "../config/load.ts";
import { crashPoint } from "../crash-point.ts";
import { type RunningNode, startNode } from "../node.ts";
import { realClock, realRandom } from "../real-clock.ts";
import { compiledRootKeys } from "../root-keys.ts";

/** How long the task may take; a sound machine needs a fraction of a second. */
const TASK_LIMIT_MS = 60_000;
const POLL_MS = 10;
/** A working node answers within milliseconds. */
const REQUEST_LIMIT_MS = 10_000;

type RunStep = (name: string, act: () => Promise<Result<string>>) => Promise<boolean>;
type Step = { readonly name: string; readonly ok: boolean; readonly detail: string; readonly durationMs: number };

/**
 * Proves that this executable works on this machine: a node starts on a port of its own and answers, a worker starts,
 * its result is verified and recorded, a backup is taken and read back. With a copy of a node's database it is opened and
 * migrated as well, but nothing in it is carried out. Uses a folder of its own and touches nothing else.
 */
export async function selftest({ copy }: SelftestOptions, console: Console): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "drover-selftest-"));
  const steps: Step[] = [];
  const step: RunStep = async (name, act) => {
    const startedMs = realClock.monotonicMs();
    const result = await act();
    const durationMs = Math.round(realClock.monotonicMs() - startedMs);
    steps.push({ name, ok: result.ok, detail: result.ok ? result.value : describeFailure(result.error), durationMs });
    return result.ok;
  };
  let changesState = false;
  try {
    const isWell = copy === undefined || (await copyStep(folder, copy, step));
    changesState = keptCopies(join(folder, "copy"));
    if (isWell) await nodeSteps(folder, step);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const passed = steps.every((one) => one.ok);
  if (console.json) console.document({ ok: passed, steps, changesState });
  else
    for (const { name, ok: isOk, detail, durationMs } of steps)
      console.line(`${isOk ? "ok  " : "FAIL"} ${name}: ${detail} (${durationMs} ms)`);
  return passed ? 0 : 1;
}

/** As the node that follows would open it. In the copy stand real tasks, so only the databases are opened, no queue. */
function copyStep(folder: string, copy: string, step: RunStep): Promise<boolean> {
  return step("copy of the state", async () => {
    const dir = join(folder, "copy");
    mkdirSync(dir, { mode: 0o700 });
    copyFileSync(copy, join(dir, FLEET_FILE));
    // Of a node that did not end well there is a journal beside it.
    if (existsSync(`${copy}-wal`)) copyFileSync(`${copy}-wal`, join(dir, `${FLEET_FILE}-wal`));
    const opened = await openStores(dir, { clock: realClock, logger: silentLogger, random: realRandom() });
    if (!opened.ok) return opened;
    const checked = await opened.value.checked;
    await opened.value.close();
    return checked.ok ? ok("opened, migrated and checked") : checked;
  });
}

/** Before a database is brought into another form, a copy of the earlier one is kept beside it. */
function keptCopies(dir: string): boolean {
  return existsSync(dir) && readdirSync(dir).some((name) => /\.db\.before-\d+$/.test(name));
}

async function nodeSteps(folder: string, step: RunStep): Promise<void> {
  await step("root keys", async () => {
    const roots = compiledRootKeys();
    if (!roots.ok) return roots;
    const ids = roots.value.map(({ id }) => id.slice(0, 8));
    return ok(ids.length === 0 ? "none compiled in" : `${ids.length} compiled in: ${ids.join(", ")}`);
  });
  const loaded = loadConfig({ file: undefined, env: {}, cwd: folder, flags: { "http.port": 0 } });
  if (!loaded.ok) return void (await step("configuration", async () => loaded));
  const stateDir = join(folder, "state");
  let node: RunningNode | undefined;
  await step("node", async () => {
    const crash = crashPoint({});
    const started = await startNode({
      loaded: loaded.value,
      stateDir,
      logger: silentLogger,
      crashPoint: crash,
      supervision: null,
    });
    if (started.ok) node = started.value;
    return started.ok ? ok("started, databases opened") : started;
  });
  try {
    if (node !== undefined) await workSteps(node, step);
  } finally {
    await node?.stop("now"); // also after a bug: an open node would keep this process alive
  }
}

async function workSteps(node: RunningNode, step: RunStep): Promise<void> {
  await step("ready", async () => {
    const ready = await ask(node, "/health/ready");
    return ready.ok ? ok("it answers on a port of its own") : ready;
  });
  await step("task", async () => {
    const verify = [{ kind: "file_contains", path: "proof", pattern: "drover" }];
    const submission = { title: "selftest", command: ["sh", "-c", "echo drover > proof"], verify, maxAttempts: 1 };
    const submitted = await ask(node, "/api/tasks", submission);
    return submitted.ok ? untilDone(node, String(submitted.value["id"])) : submitted;
  });
  await step("backup", async () => {
    const taken = await ask(node, "/api/backup", {});
    return taken.ok ? ok(`${String(taken.value["sizeBytes"])} bytes, read back whole`) : taken;
  });
}

async function untilDone(node: RunningNode, id: string): Promise<Result<string>> {
  const endMs = realClock.monotonicMs() + TASK_LIMIT_MS;
  while (realClock.monotonicMs() < endMs) {
    const task = await ask(node, `/api/tasks/${id}`);
    if (!task.ok) return task;
    const { state } = task.value;
    if (state === "done") return ok("ran in a worker, verified, recorded");
    if (state === "dead" || state === "cancelled") {
      return {
        ok: false,
        error: terminal("internal", `the task ended ${state}: ${JSON.stringify(task.value["attempts"])}`),
      };
    }
    await sleep(realClock, POLL_MS);
  }
  return { ok: false, error: terminal("timed_out", `the task did not end within ${TASK_LIMIT_MS} ms`) };
}

/** A GET without a body, a POST with one. @returns the object that was answered. */
async function ask(node: RunningNode, path: string, body?: object): Promise<Result<Readonly<Record<string, unknown>>>> {
  try {
    const token = readFileSync(join(node.stateDir, "token"), "utf8").trim();
    const response = await fetch(`${node.url}${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
      // A proxy of the environment is for the outside, and cannot reach this host's loopback.
      proxy: false,
    });
    const text = await response.text();
    if (!response.ok) return { ok: false, error: terminal("internal", `${path} answered ${response.status}: ${text}`) };
    // `as`: every answer of these paths is an object.
    return ok(JSON.parse(text) as Readonly<Record<string, unknown>>);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return { ok: false, error: terminal("unavailable", `${path} gave no answer: ${reason}`) };
  }
}
