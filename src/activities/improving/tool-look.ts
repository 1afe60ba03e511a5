/** What the repository's own commands say, run as sandboxed tasks of the queue, once for each state of the repository. */
import { type Clock, type JsonObject, ok, type Result } from "#base";
import { type Digest, named, type ProjectCommand, readToolRun, type ScanFinding, type Sighted } from "#repos";
import { commandsIn } from "./look.ts";
import {
  type ImprovedRepositories,
  type ImprovementStore,
  type MindTasks,
  type Question,
  revisionOf,
} from "./ports.ts";

/** A suite that takes longer is one finding by itself, and no reason to hold a place. */
const DEADLINE_MS = 30 * 60_000;
/** What the shell adds at the end, so that the exit code of a command that failed is not the task's. */
const MARK = "drover-exit-code:";
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;
/** A command that could not run is left alone for so long, whatever is committed meanwhile; doubles each time in a row. */
const ABSENT_REST_MS = 3_600_000;
const MAX_ABSENT_REST_MS = 7 * 86_400_000;

export type ToolLookParts = {
  readonly repositories: ImprovedRepositories;
  readonly store: ImprovementStore;
  readonly tasks: MindTasks;
  readonly digest: Digest;
  readonly clock: Clock;
  /** Whether commands of repositories are run at all. */
  readonly isAllowed: boolean;
};

export class ToolLook {
  readonly #parts: ToolLookParts;

  constructor(parts: ToolLookParts) {
    this.#parts = parts;
  }

  /** @returns whether a command is awaited */
  async advance(name: string): Promise<Result<boolean>> {
    const { store, repositories, isAllowed } = this.#parts;
    if (!isAllowed) return ok(false);
    const questions = store.questions("tool-scan");
    if (!questions.ok) return questions;
    const own = questions.value.filter(({ subject }) => subject === name);
    const open = own.filter(({ state }) => state === "asked");
    if (open.length > 0) return this.#takeUp(open, own);
    const state = await repositories.open(name);
    if (!state.ok) return state;
    const { revision } = state.value;
    const commands = await commandsIn(state.value, repositories.checks(name));
    if (!commands.ok) return commands;
    const nowMs = this.#parts.clock.nowMs();
    const asked = commands.value.filter(
      (command) => own.every(({ key }) => key !== keyOf(name, revision, command)) && nowMs >= restUntilMs(command, own),
    );
    for (const command of asked) {
      const begun = await this.#ask(name, revision, command);
      if (!begun.ok) return begun;
    }
    return ok(asked.length > 0);
  }

  async #ask(name: string, revision: string, command: ProjectCommand): Promise<Result<void>> {
    const { tasks, store, clock } = this.#parts;
    const key = keyOf(name, revision, command);
    const task = await tasks.submit({
      title: `${command.command.join(" ")} in ${name}`.slice(0, 200),
      executor: "shell",
      lane: "background",
      repo: name,
      changes: "discard",
      // The words of the command are arguments of the shell: nothing of them is read as its text.
      command: ["sh", "-c", `"$@" 2>&1; echo; echo "${MARK}$?"`, "sh", ...command.command],
      env: { CI: "1", NO_COLOR: "1" },
      maxAttempts: 1,
      deadlineMs: DEADLINE_MS,
      outputLimitBytes: MAX_OUTPUT_BYTES,
      labels: { "drover.mind": "improve" },
      idempotencyKey: key,
    });
    if (!task.ok) return task;
    const about: JsonObject = { revision, command: { ...command, command: [...command.command] } };
    return store.putQuestion({
      key,
      kind: "tool-scan",
      subject: name,
      state: "asked",
      asks: 1,
      taskId: task.value.id,
      about,
      note: null,
      atMs: clock.nowMs(),
    });
  }

  /** All commands of one state are taken up together: only then it is known what is gone. */
  async #takeUp(open: readonly Question[], own: readonly Question[]): Promise<Result<boolean>> {
    const { tasks, store, repositories, digest, clock } = this.#parts;
    const name = open[0]?.subject ?? "";
    const ends: { readonly question: Question; readonly text: string | null; readonly error: string | null }[] = [];
    for (const question of open) {
      const end = question.taskId === null ? ok(null) : await tasks.end(question.taskId);
      if (!end.ok) return end;
      if (end.value === null) return ok(true);
      ends.push({ question, text: end.value.text, error: end.value.error });
    }
    const state = await repositories.open(name);
    if (!state.ok) return state;
    const paths = new Set(state.value.files.map(({ path }) => path));
    const sighted: Sighted[] = [];
    const closed: Question[] = [];
    const looked: string[] = [];
    for (const { question, text, error } of ends) {
      const reading = readToolRun({ command: commandOf(question.about), ...outputOf(text) }, (path) => paths.has(path));
      if (reading.kind === "findings") {
        sighted.push(...reading.findings);
        looked.push(commandOf(question.about).purpose);
      }
      const isAbsent = reading.kind === "absent";
      const note = isAbsent
        ? error === null
          ? reading.why
          : `${reading.why}: ${error}`
        : `${reading.findings.length} findings`;
      const atMs = clock.nowMs();
      closed.push({ ...question, state: isAbsent ? "given-up" : "answered", note: note.slice(0, 1_000), atMs });
    }
    const findings: readonly ScanFinding[] = named(sighted, digest);
    const revision = open[0] === undefined ? "" : revisionOf(open[0]);
    const leftOut = [...closed, ...resting(open, own, clock.nowMs())].flatMap(({ state: became, note }) =>
      became === "given-up" && note !== null ? [note] : [],
    );
    const record = {
      repository: name,
      revision,
      atMs: clock.nowMs(),
      files: paths.size,
      read: 0,
      findings: findings.length,
      leftOut,
    };
    const kept = await store.record(record, "tool", findings, looked);
    if (!kept.ok) return kept;
    for (const question of closed) {
      const put = await store.putQuestion(question);
      if (!put.ok) return put;
    }
    return ok(false);
  }
}

function keyOf(name: string, revision: string, { purpose, command }: ProjectCommand): string {
  return `tool-scan:${name}:${revision}:${purpose}:${command.join(" ")}`.slice(0, 200);
}

function commandOf(about: JsonObject): ProjectCommand {
  // `as`: written by `#ask`.
  return about["command"] as unknown as ProjectCommand;
}

/** @param own questions of a repository, the newest first */
function restUntilMs(command: ProjectCommand, own: readonly Question[]): number {
  const runs = own.filter(({ about }) => isSame(commandOf(about), command));
  const answered = runs.findIndex(({ state }) => state !== "given-up");
  const inVain = answered === -1 ? runs.length : answered;
  const [last] = runs;
  if (last === undefined || inVain === 0) return 0;
  return last.atMs + Math.min(MAX_ABSENT_REST_MS, ABSENT_REST_MS * 2 ** (inVain - 1));
}

/** @returns the latest questions about commands that are left alone now, and are not among those that were asked */
function resting(asked: readonly Question[], own: readonly Question[], nowMs: number): readonly Question[] {
  const isLatest = (one: Question): boolean =>
    own.find(({ about }) => isSame(commandOf(about), commandOf(one.about))) === one;
  return own.filter((one) => !asked.includes(one) && isLatest(one) && nowMs < restUntilMs(commandOf(one.about), own));
}

function isSame(left: ProjectCommand, right: ProjectCommand): boolean {
  return left.purpose === right.purpose && left.command.join("\0") === right.command.join("\0");
}

function outputOf(text: string | null): { readonly output: string; readonly exitCode: number | null } {
  const at = text?.lastIndexOf(MARK) ?? -1;
  if (text === null || at === -1) return { output: text ?? "", exitCode: null };
  const code = Number.parseInt(text.slice(at + MARK.length), 10);
  return { output: text.slice(0, at), exitCode: Number.isNaN(code) ? null : code };
}
