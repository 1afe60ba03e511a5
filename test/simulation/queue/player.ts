import type { TaskId } from "#base";
import type { History } from "./history.ts";
import { choose, KEYS, type Step } from "./steps.ts";

/** Takes one step of a history, and looks at what it led to. */
export async function take(history: History, step: Step): Promise<void> {
  const removed = new Set<TaskId>();
  await act(history, step, removed);
  await history.world.settle();
  await history.look(step.kind === "retry", removed);
}

async function act(history: History, step: Step, removed: Set<TaskId>): Promise<void> {
  switch (step.kind) {
    case "submit":
      return history.submit(step.tasks);
    case "claim":
      await history.claim(step.limit, step.holder, step.picky);
      return;
    case "finish":
    case "report again":
    case "worker dies":
    case "release":
    case "progress":
      return actOnAttempt(history, step);
    case "cancel":
      return history.cancel(choose([...history.snapshot.tasks.keys()], step.pick));
    case "retry":
      return history.retry(step.pick);
    case "drop":
      return history.drop(step.pick, removed);
    case "node restarts":
      return history.restart();
    case "key policy":
      return history.setPolicy(KEYS[step.key] ?? "a", step.policy);
    case "pause":
      return history.setPaused(step.paused);
    case "time passes":
      await history.pass(step.ms);
      return history.world.catchUp();
    case "process stands still":
      return history.standStill(step.ms);
    case "wall clock jumps":
      return history.jumpWall(step.ms);
    case "add schedule":
      return history.addSchedule(step.overlap);
    case "remove schedule": {
      const id = choose(history.schedules, step.pick);
      if (id !== undefined) await history.world.queue.removeSchedule(id);
      return;
    }
    case "prune":
      return history.prune(step.olderThanMs, removed);
  }
}

type AttemptStep = Extract<Step, { kind: "finish" | "report again" | "worker dies" | "release" | "progress" }>;

async function actOnAttempt(history: History, step: AttemptStep): Promise<void> {
  const ofLiving = step.kind === "finish" || step.kind === "worker dies";
  const held = choose(ofLiving ? history.running() : history.held, step.pick);
  if (held === undefined) return;
  switch (step.kind) {
    case "finish":
      return history.finish(held, step.outcome, step.terminal);
    case "report again":
      return history.finish(held, step.outcome, false);
    case "worker dies":
      held.isAlive = false;
      return;
    case "release":
      return history.release(held);
    case "progress":
      await history.world.queue.progress(held.taskId, held.fence, { ratio: 0.5, message: "half" });
  }
}
