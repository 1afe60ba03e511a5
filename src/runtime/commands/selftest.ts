import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { submissionsToTasks } from "#api";
import { describeFailure, type Result, silentLogger } from "#base";
import type { Console } from "#cli";
import { loadConfig } from "../config/load.ts";
import { crashPoint } from "../crash-point.ts";
import { type Engine, startEngine } from "../engine.ts";
import { ownCommand } from "../program.ts";
import { realClock, realRandom } from "../real-clock.ts";
import { compiledRootKeys } from "../root-keys.ts";
import { untilEnded } from "./until-ended.ts";

/** How long the whole of it may take; a sound machine needs a fraction of a second. */
const LIMIT_MS = 60_000;

type RunStep = (name: string, act: () => Promise<Result<string>>) => Promise<boolean>;
type Step = { readonly name: string; readonly ok: boolean; readonly detail: string; readonly durationMs: number };

/**
 * Proves that this executable works on this machine: databases open and commit, a worker starts, its result is
 * verified and recorded, a backup is taken and read back. Uses a folder of its own and touches nothing else.
 */
export async function selftest(console: Console): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "drover-selftest-"));
  const steps: Step[] = [];
  const step: RunStep = async (name, act) => {
    const startedMs = realClock.monotonicMs();
    const result = await act();
    const durationMs = Math.round(realClock.monotonicMs() - startedMs);
    steps.push({ name, ok: result.ok, detail: result.ok ? result.value : describeFailure(result.error), durationMs });
    return result.ok;
  };
  try {
    await runSteps(folder, step);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const passed = steps.every(({ ok }) => ok);
  if (console.json) console.document({ ok: passed, steps });
  else
    for (const { name, ok, detail, durationMs } of steps)
      console.line(`${ok ? "ok  " : "FAIL"} ${name}: ${detail} (${durationMs} ms)`);
  return passed ? 0 : 1;
}

async function runSteps(folder: string, step: RunStep): Promise<void> {
  await step("root keys", async () => {
    const roots = compiledRootKeys();
    if (!roots.ok) return roots;
    const ids = roots.value.map(({ id }) => id.slice(0, 8));
    return { ok: true, value: ids.length === 0 ? "none compiled in" : `${ids.length} compiled in: ${ids.join(", ")}` };
  });
  const config = loadConfig({ file: undefined, env: {}, cwd: folder, flags: {} });
  if (!config.ok) return void (await step("configuration", async () => config));
  const random = realRandom();
  const started = await startEngine({
    config: config.value.config,
    stateDir: folder,
    clock: realClock,
    random,
    logger: silentLogger,
    crashPoint: crashPoint({}),
    workerCommand: ownCommand("worker"),
    ollamaHost: process.env["OLLAMA_HOST"] ?? null,
  });
  const opened = await step("databases", async () =>
    started.ok ? { ok: true, value: "opened and migrated" } : started,
  );
  if (!opened || !started.ok) return;
  try {
    await workSteps(started.value, step);
  } finally {
    await started.value.stop("now"); // also after a bug: an open engine would keep this process alive
  }
}

async function workSteps(engine: Engine, step: RunStep): Promise<void> {
  await step("task", async () => {
    const verify = [{ kind: "file_contains", path: "proof", pattern: "drover" }];
    const submission = { title: "selftest", command: ["sh", "-c", "echo drover > proof"], verify, maxAttempts: 1 };
    const tasks = submissionsToTasks(submission, engine.submissionFacts);
    if (!tasks.ok) return tasks;
    const ended = await untilEnded(engine.queue, tasks.value, { clock: realClock, limitMs: LIMIT_MS });
    if (!ended.ok) return ended;
    const [row] = ended.value;
    if (row?.row.state === "done") return { ok: true, value: "ran in a worker, verified, recorded" };
    return {
      ok: false,
      error: { kind: "terminal", code: "internal", message: row?.row.reason?.text ?? "the task did not end" },
    };
  });
  await step("backup", async () => {
    const taken = await engine.stores.backups.take();
    return taken.ok ? { ok: true, value: `${taken.value.bytes} bytes, read back whole` } : taken;
  });
}
