import { type Clock, canonicalJson, err, type Failure, ok, type Result } from "#base";
import type { ChatModel, RequestContext, ToolCall } from "#inference";
import type { StopSwitch } from "../stop-switch.ts";
import type { VerificationReport } from "../verification/report.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { type Due, due } from "./due.ts";
import { Interruption } from "./interruption.ts";
import type { CallCount, LoopEnd, LoopUsage, WorkRecord } from "./loop-end.ts";
import type { LoopPlan } from "./loop-plan.ts";
import type { LoopEvent, LoopState, Transition } from "./loop-state.ts";
import type { LoopStep } from "./loop-step.ts";
import { askOnce } from "./one-reply.ts";
import type { ReplyParser } from "./reply-parser.ts";
import { eventsOfLoss, replaySaved } from "./resume.ts";
import { textHash } from "./text-hash.ts";
import type { ToolAnswer, ToolCaller } from "./tool-caller.ts";
import { beginLoop, step } from "./transition.ts";
import { WritingNotes } from "./writing-notes.ts";

export type ToolLoopOptions = {
  readonly plan: Omit<LoopPlan, "tools" | "effectOf" | "parser">;
  readonly model: ChatModel;
  /** For whom requests are made; its `models` are replaced by those of the plan, when there are any. */
  readonly context: RequestContext;
  readonly tools: ToolCaller;
  readonly parser: ReplyParser;
  readonly clock: Clock;
  readonly stop: StopSwitch;
  readonly checkpoint: Checkpoint;
  /** Hears of every step as it happens; must not throw. */
  readonly onStep: (step: LoopStep) => void;
};

/** What a loop came to: why it ended, and the partial result that every end keeps. */
export type LoopOutcome = {
  readonly end: LoopEnd;
  readonly record: WorkRecord;
  /** Of all workers that had a part; limits hold for it. */
  readonly usage: LoopUsage;
  /** Of this worker alone: without what stood in the checkpoint from which it went on. */
  readonly ownUsage: LoopUsage;
  readonly callCounts: readonly CallCount[];
  /** What the model said last; it may say what it did and what remains. */
  readonly lastWords: string;
  readonly replies: number;
  /** What verification found before each correction, over all workers that had a part. */
  readonly corrections: readonly VerificationReport[];
  /** Time spent asking and calling, over all workers that had a part. */
  readonly spentMs: number;
};

/**
 * Performs what the machine in transition.ts decides: asks, calls, and makes each event durable before anything follows
 * from it. A `write` or `command` call is recorded as begun before it starts, so that a later worker knows.
 */
export class ToolLoop {
  readonly #options: ToolLoopOptions;
  readonly #plan: LoopPlan;
  readonly #usageBefore: LoopUsage;
  #state: LoopState;
  #underWay: Interruption | undefined;
  #memoryHash: string;

  private constructor(options: ToolLoopOptions, plan: LoopPlan, state: LoopState) {
    this.#options = options;
    this.#plan = plan;
    this.#usageBefore = state.usage;
    this.#state = state;
    this.#memoryHash = textHash(canonicalJson(state.toolMemory));
    // Once for all: a handler for each request would pile up on a promise that lives as long as the attempt.
    void options.stop.requested.then(() => this.#underWay?.interrupt());
  }

  /** Starts a loop, or goes on with the one that a lost worker left in the checkpoint. */
  static async open(options: ToolLoopOptions): Promise<Result<ToolLoop, Failure>> {
    const { tools, parser, checkpoint, onStep } = options;
    const plan: LoopPlan = {
      ...options.plan,
      tools: tools.definitions,
      effectOf: (name) => tools.effectOf(name),
      parser,
    };
    const { state, steps } = (await resumed(options, plan)) ?? beginLoop(plan);
    const failure = await checkpoint.begin(state);
    if (failure !== undefined) return err(failure);
    for (const one of steps) onStep(one);
    return ok(new ToolLoop(options, plan, state));
  }

  /** Runs to the next end. Throws only on a bug. */
  async run(): Promise<LoopOutcome> {
    for (;;) {
      const next = due(this.#state, this.#plan);
      if (next.kind === "end") return this.#outcome(next.end);
      const { stop } = this.#options;
      if (stop.current !== undefined) await this.#take({ kind: "stopRequested", request: stop.current, tookMs: 0 });
      else if (this.#leftMs() <= 0) await this.#take({ kind: "outOfTime", tookMs: 0 });
      else if (next.kind === "ask") await this.#take(await this.#ask(next));
      else await this.#call(next.call);
    }
  }

  /** Goes on after an end, with what verification found. */
  async correct(prompt: string, report: VerificationReport): Promise<LoopOutcome> {
    await this.#take({ kind: "corrected", prompt, report });
    return this.run();
  }

  async #ask(next: Extract<Due, { kind: "ask" }>): Promise<LoopEvent> {
    const { clock, stop, model, parser, context } = this.#options;
    const startMs = clock.monotonicMs();
    this.#options.onStep({ kind: "asked", round: this.#state.replies + 1, mode: next.mode });
    const interruption = this.#begin();
    const notes = new WritingNotes(startMs);
    const onPiece = (chars: number, shown: string): void => {
      const step = notes.take(chars, shown, clock.monotonicMs());
      if (step !== undefined) this.#options.onStep(step);
    };
    try {
      await interruption.pause(next.pauseMs);
      const asked = interruption.happened
        ? undefined
        : await askOnce(next, { model, context, parser, plan: this.#plan, interruption, onPiece });
      const tookMs = Math.round(clock.monotonicMs() - startMs);
      if (asked?.kind === "replied") return { ...asked, tookMs };
      if (stop.current !== undefined) return { kind: "stopRequested", request: stop.current, tookMs };
      if (asked === undefined || interruption.happened) return { kind: "outOfTime", tookMs };
      return { ...asked, tookMs };
    } finally {
      this.#end(interruption);
    }
  }

  async #call(call: ToolCall): Promise<void> {
    const { tools, clock, onStep } = this.#options;
    const effect = tools.effectOf(call.name);
    if (effect !== "read") {
      const mark = effect === "write" ? await tools.mark(call) : null;
      const failure = await this.#options.checkpoint.append({ kind: "begun", callId: call.id, mark }, this.#state);
      if (failure !== undefined) return this.#fail(failure);
    }
    onStep({ kind: "called", tool: call.name, call: tools.describe(call) });
    const startMs = clock.monotonicMs();
    const interruption = this.#begin();
    let answer: ToolAnswer | "gone";
    try {
      answer = await interruption.orGone(tools.call(call, interruption.signal));
    } finally {
      this.#end(interruption);
    }
    const tookMs = Math.round(clock.monotonicMs() - startMs);
    const memory = tools.memory();
    const memoryHash = textHash(canonicalJson(memory));
    const toolMemory = memoryHash === this.#memoryHash ? null : memory;
    this.#memoryHash = memoryHash;
    const given = answer === "gone" ? ABANDONED : answer;
    await this.#take({ kind: "answered", callId: call.id, answer: given, toolMemory, tookMs });
  }

  /** Decides, makes it durable, then lets it show. */
  async #take(event: LoopEvent): Promise<void> {
    const { state, steps } = step(this.#state, event, this.#plan);
    this.#state = state;
    // A machine that stops a worker wants the task to go on elsewhere: to the next worker this end did not happen.
    const isMachineStop = event.kind === "stopRequested" && event.request.by === "machine";
    const failure = isMachineStop ? undefined : await this.#options.checkpoint.append({ kind: "event", event }, state);
    for (const one of steps) this.#options.onStep(one);
    if (failure !== undefined) this.#fail(failure);
  }

  /** Without a checkpoint nothing may be done that cannot be done twice. */
  #fail(failure: Failure): void {
    const end: LoopEnd = { kind: "failed", failure };
    this.#state = { ...this.#state, phase: "ended", end };
    this.#options.onStep({ kind: "ended", end });
  }

  #begin(): Interruption {
    this.#underWay = new Interruption(this.#options.clock, this.#leftMs());
    if (this.#options.stop.current !== undefined) this.#underWay.interrupt();
    return this.#underWay;
  }

  #end(interruption: Interruption): void {
    interruption.finish();
    this.#underWay = undefined;
  }

  #leftMs(): number {
    return this.#plan.limits.wallMs - this.#state.spentMs;
  }

  #outcome(end: LoopEnd): LoopOutcome {
    const { record, usage, callCounts, lastWords, replies, corrections, spentMs } = this.#state;
    const ownUsage = usageSince(this.#usageBefore, usage);
    return { end, record, usage, ownUsage, callCounts, lastWords, replies, corrections, spentMs };
  }
}

function usageSince(before: LoopUsage, now: LoopUsage): LoopUsage {
  return {
    promptTokens: now.promptTokens - before.promptTokens,
    completionTokens: now.completionTokens - before.completionTokens,
    costMicrodollars: now.costMicrodollars - before.costMicrodollars,
  };
}

const ABANDONED: ToolAnswer = {
  content: "The tool did not stop when it was told to.",
  summary: "did not stop when told to",
  error: "abandoned",
  changed: [],
};

/** @returns the loop as it goes on after the loss of a worker; undefined when there is none to go on with. */
async function resumed(options: ToolLoopOptions, plan: LoopPlan): Promise<Transition | undefined> {
  const saved = await options.checkpoint.load();
  const replayed = saved === undefined ? undefined : replaySaved(saved, plan);
  if (replayed === undefined) return undefined;
  options.tools.remember(replayed.state.toolMemory);
  let { state } = replayed;
  const steps: LoopStep[] = [{ kind: "resumed", round: state.replies }];
  for (const event of await eventsOfLoss(replayed, plan, options.tools)) {
    const next = step(state, event, plan);
    state = next.state;
    steps.push(...next.steps);
  }
  return { state, steps };
}
