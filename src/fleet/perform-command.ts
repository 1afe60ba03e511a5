import { err, type JsonObject, type Result, refused } from "#base";
import type { Once, Queue } from "#queue";
import type { FleetCommand } from "./wire.ts";

/** Keeps goals, of which the fleet itself knows nothing. */
export interface GoalKeeper {
  /** Carries out an order once, however often it comes. */
  perform(order: JsonObject, once: Once): Promise<Result<unknown>>;
}

/** A command of a node as the call of the queue, or of who keeps goals, that it stands for. */
export async function performOn(
  queue: Queue,
  command: FleetCommand,
  once: Once,
  goals?: GoalKeeper,
): Promise<Result<unknown>> {
  switch (command.kind) {
    case "submit":
      return queue.submit(command.args.tasks, once);
    case "finish":
      return queue.finish(command.args.taskId, command.args.fence, command.args.report, once);
    case "release":
      return queue.release(command.args.taskId, command.args.fence, command.args.why, once);
    case "progress":
      return queue.progress(command.args.taskId, command.args.fence, command.args.progress);
    case "cancel":
      return queue.cancel(command.args.taskId, command.args.why, once);
    case "retry":
      return queue.retry(command.args.taskId, once);
    case "drop":
      return queue.drop(command.args.taskId, once);
    case "pause":
      return queue.setPaused(command.args.paused, once);
    case "announce":
      return queue.announce(command.args.kind, command.args.data, once);
    case "key_policy":
      return queue.setKeyPolicy(command.args.key, command.args.policy, once);
    case "add_schedule":
      return queue.addSchedule(command.args.request, once);
    case "remove_schedule":
      return queue.removeSchedule(command.args.scheduleId, once);
    case "goal":
      return goals?.perform(command.args.order, once) ?? err(refused("unsupported", "no goals are kept here"));
  }
}
