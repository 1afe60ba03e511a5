import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { absenceRemedy, parseRequirements, submissionsToTasks, taskView, unmetRequirements } from "#api";
import { err, ok, type Result, refused, sleep } from "#base";
import { type Console, parseTaskFile, type RunOptions } from "#cli";
import type { NewTask, QueueEvent, TaskRecord } from "#queue";
import type { Config } from "../config/settings.ts";
import { crashPoint } from "../crash-point.ts";
import { type Engine, nodeOffer, startEngine } from "../engine.ts";
import { ownCommand } from "../program.ts";
import { realClock, realRandom } from "../real-clock.ts";
import { processLogger, settingsOf } from "./settings.ts";
import { INTERRUPTED, untilEnded } from "./until-ended.ts";

/** A run ends by its tasks' own limits; this only bounds a bug. Below setTimeout's longest delay. */
const LIMIT_MS = 24 * 86_400_000;
/** How often it is looked whether the model servers were seen; the first look takes seconds at most. */
const LOOK_MS = 20;

/**
 * The whole engine in this process, on a store of its own, for the tasks of some files. Exit code 0 when every task
 * is done and verified, 1 otherwise. The folder is removed at the end unless it is to be kept.
 */
export async function run(options: RunOptions, console: Console): Promise<number> {
  const loaded = settingsOf(options);
  if (!loaded.ok) return console.fail(loaded.error);
  const { config } = loaded.value;
  const stopOnSignal = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopOnSignal.abort());
  // After it is known what a signal does: one that comes between would leave the folder.
  const stateDir = mkdtempSync(join(tmpdir(), "drover-run-"));
  try {
    const engine = await startEngine({
      config: { ...config, "store.backup.every_ms": 0 },
      stateDir,
      clock: realClock,
      random: realRandom(),
      logger: processLogger({ ...config, "log.level": config["log.level"] === "info" ? "warn" : config["log.level"] }),
      crashPoint: crashPoint(process.env),
      workerCommand: ownCommand("worker"),
      ollamaHost: process.env["OLLAMA_HOST"] ?? null,
    });
    if (!engine.ok) return console.fail(engine.error);
    try {
      return await runTasks(options, console, engine.value, stopOnSignal.signal, config);
    } finally {
      await engine.value.stop("now");
    }
  } finally {
    if (options.keep) console.note(`State, logs and workspaces are kept in ${stateDir}`);
    else rmSync(stateDir, { recursive: true, force: true });
  }
}

async function runTasks(
  options: RunOptions,
  console: Console,
  engine: Engine,
  interrupted: AbortSignal,
  config: Config,
): Promise<number> {
  const tasks = await readTasks(options, engine, interrupted);
  if (!tasks.ok) return console.fail(tasks.error);
  const possible = await sayWhatWaits(tasks.value, console, engine, interrupted, config);
  if (!possible.ok) return console.fail(possible.error);
  const titles = new Map(tasks.value.map((task) => [task.id, titleOf(task)]));
  const onEvent = (event: QueueEvent): void => {
    const title = event.taskId === null ? undefined : titles.get(event.taskId);
    if (!console.json && title !== undefined) console.note(`${event.kind.slice("task.".length).padEnd(10)} ${title}`);
  };
  const limits = { clock: realClock, limitMs: LIMIT_MS, interrupted };
  const ended = await untilEnded(engine.queue, tasks.value, { ...limits, onEvent });
  if (!ended.ok) return console.fail(ended.error);
  const allDone = ended.value.every(({ row }) => row.state === "done");
  if (console.json) console.document({ ok: allDone, tasks: ended.value.map((record) => taskView(record)) });
  else for (const record of ended.value) report(record, console);
  return allDone ? 0 : 1;
}

/**
 * Nobody can add a server to a run, so that nothing may wait without a word.
 * @returns a refusal when a task needs a model and there is no server at all.
 */
async function sayWhatWaits(
  tasks: readonly NewTask[],
  console: Console,
  { nodeId, models }: Engine,
  interrupted: AbortSignal,
  config: Config,
): Promise<Result<void>> {
  const needsModel = tasks.some(({ requirements }) => parseRequirements(requirements)?.executor !== "shell");
  const isOpen = (): boolean => needsModel && models.registry.isLooking() && !interrupted.aborted;
  while (isOpen()) await sleep(realClock, LOOK_MS);
  const offer = nodeOffer(config, nodeId, models);
  for (const task of tasks) {
    const lacks = unmetRequirements(task.requirements, offer);
    if (lacks.length === 0) continue;
    const remedy = absenceRemedy(task.requirements, offer) ?? undefined;
    const isHopeless = remedy !== undefined && models.registry.states().length === 0;
    if (isHopeless) return err(refused("unavailable", `${titleOf(task)}: ${lacks.join(", ")}`, remedy));
    console.note(`waits      ${titleOf(task)}: ${lacks.join(", ")}${remedy === undefined ? "" : `. ${remedy}`}`);
  }
  return ok(undefined);
}

/** The tasks of all files as one batch, so that `ref` and `dependsOn` work across files. */
async function readTasks(
  options: RunOptions,
  engine: Engine,
  interrupted: AbortSignal,
): Promise<Result<readonly NewTask[]>> {
  const written: unknown[] = [];
  for (const path of options.files) {
    const content = await readText(path, interrupted);
    if (!content.ok) return content;
    const file = await parseTaskFile(path, content.value, process.cwd());
    if (!file.ok) return file;
    for (const task of file.value.tasks) written.push(withExecutor(task, options.executor));
  }
  return submissionsToTasks(written, engine.submissionFacts);
}

async function readText(path: string, interrupted: AbortSignal): Promise<Result<string>> {
  try {
    const text = path === "-" ? await readStandardInput(interrupted) : await readFile(path, "utf8");
    return interrupted.aborted ? err(INTERRUPTED) : ok(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return err(refused("not_found", `cannot read ${path}: ${reason}`, "Check the path"));
  }
}

/** @returns what came before the end of the input or the interruption; an open pipe may never end by itself. */
async function readStandardInput(interrupted: AbortSignal): Promise<string> {
  if (interrupted.aborted) return ""; // an input that was opened would keep this process alive
  const reader = Bun.stdin.stream().getReader();
  const giveUp = (): void => void reader.cancel();
  interrupted.addEventListener("abort", giveUp);
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      text += decoder.decode(chunk.value, { stream: true });
    }
    return text + decoder.decode();
  } finally {
    interrupted.removeEventListener("abort", giveUp);
  }
}

function withExecutor(task: unknown, executor: RunOptions["executor"]): unknown {
  if (executor === undefined || typeof task !== "object" || task === null) return task;
  return { ...task, executor };
}

function titleOf(task: NewTask): string {
  // `as`: a body is the JSON text of a checked submission, which has a title.
  return (JSON.parse(task.body) as { readonly title: string }).title;
}

function report(record: TaskRecord, console: Console): void {
  const { row, attempts } = record;
  const view = taskView(record);
  const last = attempts.at(-1);
  const tries = attempts.length === 1 ? "1 attempt" : `${attempts.length} attempts`;
  const tone = row.state === "done" ? "good" : "bad";
  console.line(`${console.paint(tone, row.state.padEnd(9))} ${view.title} (${tries}, ${last?.durationMs ?? 0} ms)`);
  if (row.reason !== null) console.line(`          ${row.reason.text}`);
}
