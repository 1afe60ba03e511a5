/** A node that kills itself at each step of the mind, of a goal, of its repository and of its delivery, and starts again. */
import { existsSync, readFileSync } from "node:fs";
import { GOAL_STEPS } from "#activities";
import { sleep } from "#base";
import { REPOSITORY_STEPS } from "#repos";
import { MIND_STEPS } from "../../../src/runtime/mind/mind-service.ts";
import { realClock } from "../../support/real-clock.ts";
import { ended, leftovers, lookAtGoal } from "./run.ts";
import { GoalCrashWorld, type GoalDelivery, type SeenGoal } from "./world.ts";

const LOOK_MS = 20;
/** For a goal that nothing interrupts to come to its end, or to its step. */
const PASS_LIMIT_MS = 120_000;
/** After which a goal may not stand still, and nothing may be left: the node tidies up each minute. */
const STILL_MS = 100_000;
/** A goal passes a step some ten times; the mind goes on for ever. */
const MAX_PASSAGES = 12;

/** Every step that is passed where a goal is delivered so; what is the same everywhere is tried once. */
const EVERYWHERE: readonly string[] = [...MIND_STEPS, ...GOAL_STEPS, ...REPOSITORY_STEPS.slice(0, 4)];
export const STEPS: Readonly<Record<GoalDelivery, readonly string[]>> = {
  patch: [...EVERYWHERE, "delivery:assessed", "delivery:pushed", "delivery:patched", "delivery:kept"],
  pullRequest: ["delivery:pushed", "delivery:proposed", "delivery:kept", "goal:delivered"],
  merge: ["delivery:assessed", "delivery:merged", "delivery:kept", "goal:delivered"],
  mergeOnForge: ["delivery:pushed", "delivery:proposed", "delivery:merged", "delivery:kept", "goal:delivered"],
};

export type StepReport = {
  /** `label#passage`, each killed at. */
  readonly killed: readonly string[];
  /** Steps that no goal passed: those prove nothing. */
  readonly missed: readonly string[];
  /** States of the mind that were compared with its journal. */
  readonly minds: number;
  readonly faults: readonly string[];
};

/** Kills at each passage of each step, each time with a goal of its own. */
export async function killAtEachStep(
  delivery: GoalDelivery,
  steps: readonly string[],
  progress: (line: string) => void,
): Promise<StepReport> {
  const run = new StepRun(await GoalCrashWorld.open(delivery), progress);
  try {
    for (const step of steps) {
      let passages = 0;
      while (passages < MAX_PASSAGES && (await run.kill(`${step}#${passages + 1}`))) passages += 1;
      if (passages === 0) run.missed.push(step);
    }
    return run.report();
  } finally {
    await run.world.close();
  }
}

/** Kills one and the same goal at each of these steps, one after the other: the short form. */
export async function killOneGoal(delivery: GoalDelivery, steps: readonly string[]): Promise<StepReport> {
  const run = new StepRun(await GoalCrashWorld.open(delivery), () => undefined);
  try {
    for (const step of steps) if (!(await run.dies(step, "g1x"))) run.missed.push(step);
    await run.finish("g1x", steps.join(", "));
    return run.report();
  } finally {
    await run.world.close();
  }
}

class StepRun {
  readonly world: GoalCrashWorld;
  readonly missed: string[] = [];
  readonly #progress: (line: string) => void;
  readonly #killed: string[] = [];
  readonly #faults: string[] = [];
  readonly #goals: SeenGoal[] = [];
  #minds = 0;
  #count = 0;

  constructor(world: GoalCrashWorld, progress: (line: string) => void) {
    this.world = world;
    this.#progress = progress;
  }

  report(): StepReport {
    return { killed: this.#killed, missed: this.missed, minds: this.#minds, faults: this.#faults };
  }

  /** @returns whether a goal passes that step so often */
  async kill(step: string): Promise<boolean> {
    this.#count += 1;
    const name = `g${this.#count}x`;
    const isKilled = await this.dies(step, name);
    await this.finish(name, step);
    if (isKilled) this.#progress(`killed at ${step}: ${this.#faults.length} faults so far`);
    return isKilled;
  }

  /** Starts a node that is to die at a step, and hands in a goal. @returns whether it died there before the goal ended */
  async dies(step: string, name: string): Promise<boolean> {
    const before = this.#hits();
    const armed = { DROVER_CRASH_POINT: step, DROVER_CRASH_LOG: this.world.crashLog };
    const started = await this.world.tryStart(armed);
    const endMs = realClock.monotonicMs() + PASS_LIMIT_MS;
    let id: string | undefined;
    while (started.kind === "ready" && this.#hits() === before && realClock.monotonicMs() < endMs) {
      try {
        id ??= await this.#handIn(name);
        if (["complete", "failed"].includes((await this.world.goal(id)).state)) break;
      } catch {
        // It was killed while it answered, or is about to be.
      }
      await sleep(realClock, LOOK_MS);
    }
    const isKilled = this.#hits() > before;
    if (started.kind === "ended" && !isKilled) throw new Error(`the node ended by itself: ${started.stderr}`);
    await this.world.kill(false);
    if (isKilled) this.#killed.push(step);
    return isKilled;
  }

  /** Starts again, and looks at everything when the goal has ended. */
  async finish(name: string, step: string): Promise<void> {
    const journal = this.world.mind();
    await this.world.start();
    const [goal] = await ended(this.world, [await this.#handIn(name)], STILL_MS);
    if (goal === undefined) throw new Error(`${name} is gone`);
    this.#goals.push(goal);
    const { faults } = await lookAtGoal(this.world, goal);
    const left = await leftovers(this.world, this.#goals, STILL_MS);
    const found = [...faults, ...left.map((one) => `left over: ${one}`)].map((fault) => `${step}: ${fault}`);
    found.push(...(await this.#mindFaults(journal, step)));
    for (const fault of found) this.#progress(`FAULT: ${fault}`);
    this.#faults.push(...found);
    await this.world.kill(false);
  }

  /** Every second goal is judged by a model. */
  #handIn(name: string): Promise<string> {
    return this.world.handIn(name, this.#count % 2 === 1);
  }

  /** The same journal gives the same mind: what was there is there, and the node is in the state that it comes to. */
  async #mindFaults(before: ReturnType<GoalCrashWorld["mind"]>, step: string): Promise<readonly string[]> {
    const seen = await this.world.mindState();
    const now = this.world.mind();
    if (now === undefined) return [`${step}: the mind has no journal`];
    const faults: string[] = [];
    for (const [seq, line] of before?.lines ?? []) {
      if (now.lines.has(seq) && now.lines.get(seq) !== line) faults.push(`${step}: entry ${seq} was changed`);
    }
    const numbers = [...now.lines.keys()];
    if (numbers.some((seq, index) => index > 0 && seq !== (numbers[index - 1] ?? 0) + 1)) {
      faults.push(`${step}: entries are missing: ${numbers.join()}`);
    }
    if (now.mind.seq < (before?.mind.seq ?? 0)) faults.push(`${step}: entries are gone`);
    if (now.mind.seq !== seen.seq) return faults; // it went on meanwhile
    this.#minds += 1;
    if (now.mind.state !== seen.state)
      faults.push(`${step}: its journal says ${now.mind.state}, the node ${seen.state}`);
    return faults;
  }

  #hits(): number {
    const { crashLog } = this.world;
    return existsSync(crashLog) ? readFileSync(crashLog, "utf8").split("\n").filter(Boolean).length : 0;
  }
}
