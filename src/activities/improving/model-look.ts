/** A model's look at a repository, as tasks of the queue. Asked again with what was wrong, twice, then given up. */
import { type Clock, type JsonObject, ok, type Result } from "#base";
import type { Digest, TrackedState } from "#repos";
import { type Excerpt, ExcerptBuilder, excerptOrder, readModelAnswer } from "./model-scan.ts";
import {
  type ImprovedRepositories,
  type ImprovementStore,
  type MindTasks,
  type Question,
  revisionOf,
} from "./ports.ts";

const MAX_ASKS = 3;
const DAY_MS = 86_400_000;
/** Files that are read for one prompt. */
const MAX_TRIED = 40;

export type ModelLookParts = {
  readonly repositories: ImprovedRepositories;
  readonly store: ImprovementStore;
  readonly tasks: MindTasks;
  readonly digest: Digest;
  readonly clock: Clock;
  /** Questions in 24 hours, of all repositories; 0: no model is asked. */
  readonly perDay: number;
  /** Whole percents of what this state may spend; 0 is spent. */
  readonly budgetLeftPercent: () => number;
};

export class ModelLook {
  readonly #parts: ModelLookParts;

  constructor(parts: ModelLookParts) {
    this.#parts = parts;
  }

  /** @returns whether an answer is awaited */
  async advance(name: string): Promise<Result<boolean>> {
    const { store, perDay, clock, budgetLeftPercent } = this.#parts;
    const questions = store.questions("model-scan");
    if (!questions.ok) return questions;
    const open = questions.value.find(({ subject, state }) => subject === name && state === "asked");
    if (open !== undefined) return this.#takeUp(open);
    const today = questions.value.filter(({ atMs }) => atMs > clock.nowMs() - DAY_MS).length;
    if (today >= perDay || budgetLeftPercent() === 0) return ok(false);
    const state = await this.#parts.repositories.open(name);
    if (!state.ok) return state;
    const key = `model-scan:${name}:${state.value.revision}`;
    if (questions.value.some((one) => one.key === key)) return ok(false);
    const built = await this.#build(state.value);
    if (!built.ok || built.value.excerpts.length === 0) return built.ok ? ok(false) : built;
    const { excerpts } = built.value;
    return this.#ask(key, name, 1, { revision: state.value.revision, excerpts: [...excerpts] }, built.value.prompt([]));
  }

  async #build({ files, contents, revision }: TrackedState): Promise<Result<ExcerptBuilder>> {
    const builder = new ExcerptBuilder();
    for (const file of excerptOrder(files, revision, this.#parts.digest).slice(0, MAX_TRIED)) {
      const text = await contents.text(file);
      if (!text.ok) return text;
      if (text.value !== undefined && !builder.add(file, text.value)) break;
    }
    return ok(builder);
  }

  async #ask(key: string, subject: string, asks: number, about: JsonObject, prompt: string): Promise<Result<boolean>> {
    const { store, tasks, clock } = this.#parts;
    const task = await tasks.submit({
      title: `look through a part of ${subject}`.slice(0, 200),
      executor: "ollama",
      lane: "background",
      prompt,
      maxAttempts: 2,
      labels: { "drover.mind": "improve" },
      idempotencyKey: `${key}:${asks}`,
    });
    if (!task.ok) return task;
    const kept = await store.putQuestion({
      key,
      kind: "model-scan",
      subject,
      state: "asked",
      asks,
      taskId: task.value.id,
      about,
      note: null,
      atMs: clock.nowMs(),
    });
    return kept.ok ? ok(true) : kept;
  }

  async #takeUp(question: Question): Promise<Result<boolean>> {
    const { tasks, store, digest, clock } = this.#parts;
    const end = question.taskId === null ? ok(null) : await tasks.end(question.taskId);
    if (!end.ok) return end;
    if (end.value === null) return ok(true);
    const close = async (state: "answered" | "given-up", note: string): Promise<Result<boolean>> => {
      const kept = await store.putQuestion({ ...question, state, note: note.slice(0, 1_000), atMs: clock.nowMs() });
      return kept.ok ? ok(false) : kept;
    };
    if (!end.value.passed) return close("given-up", end.value.error ?? "its task failed");
    const texts = await this.#texts(question);
    if (!texts.ok) return close("given-up", texts.error.message);
    const answer = readModelAnswer(end.value.text ?? "", texts.value, digest);
    if (answer.kind === "faults") {
      if (question.asks >= MAX_ASKS) return close("given-up", answer.faults.join("; "));
      const prompt = this.#again(question, texts.value, answer.faults);
      return this.#ask(question.key, question.subject, question.asks + 1, question.about, prompt);
    }
    const repository = question.subject;
    const revision = revisionOf(question);
    const record = {
      repository,
      revision,
      atMs: clock.nowMs(),
      files: texts.value.size,
      read: 0,
      findings: 0,
      leftOut: [],
    };
    // A model does not say the same twice, so silence takes nothing back: what it said stays until the code is gone.
    const kept = await store.record({ ...record, findings: answer.findings.length }, "model", answer.findings, []);
    if (!kept.ok) return kept;
    return close("answered", `${answer.findings.length} believed, ${answer.refused.length} refused`);
  }

  #again({ about }: Question, texts: ReadonlyMap<string, string>, faults: readonly string[]): string {
    const builder = new ExcerptBuilder();
    for (const excerpt of excerptsOf(about)) builder.add(excerpt, texts.get(excerpt.path) ?? "");
    return builder.prompt(faults);
  }

  /** The files as they were shown: by their blobs, which git keeps. */
  async #texts({ subject, about }: Question): Promise<Result<ReadonlyMap<string, string>>> {
    const state = await this.#parts.repositories.open(subject);
    if (!state.ok) return state;
    const texts = new Map<string, string>();
    for (const { path, blob, bytes, lines } of excerptsOf(about)) {
      const text = await state.value.contents.text({ path, blob, bytes });
      if (!text.ok) return text;
      if (text.value !== undefined) texts.set(path, text.value.split("\n").slice(0, lines).join("\n"));
    }
    return ok(texts);
  }
}

function excerptsOf(about: JsonObject): readonly Excerpt[] {
  // `as`: written by `advance`.
  return (about["excerpts"] ?? []) as unknown as readonly Excerpt[];
}
