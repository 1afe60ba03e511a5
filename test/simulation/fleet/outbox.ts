import type { CommandId, NodeId, Result, TaskId } from "#base";
import { type FleetCommand, MemoryOutbox } from "#fleet";
import type { Checks } from "./checks.ts";

/** An outbox on a disk that outlives the process; what is sent again is known to the checks. */
export class WatchedOutbox extends MemoryOutbox {
  readonly #node: NodeId;
  readonly #checks: Checks;
  readonly #submissions = new Map<CommandId, readonly TaskId[]>();
  #n = 0;

  constructor(node: NodeId, checks: Checks) {
    super();
    this.#node = node;
    this.#checks = checks;
  }

  override append(command: FleetCommand): Result<void> {
    this.#n += 1;
    if (command.kind === "submit") {
      this.#submissions.set(
        command.id,
        command.args.tasks.map(({ id }) => id),
      );
      for (const task of command.args.tasks) this.#checks.journaled(task.id, this.#node, this.#n, command.id);
    }
    return super.append(command);
  }

  override forget(ids: readonly CommandId[]): Result<void> {
    for (const id of ids) this.#submissions.delete(id);
    return super.forget(ids);
  }

  /** Whether it can still be sent. */
  keeps(taskId: TaskId): boolean {
    return [...this.#submissions.values()].some((ids) => ids.includes(taskId));
  }

  override reopen(ids: readonly CommandId[]): Result<void> {
    this.#checks.resent(ids);
    return super.reopen(ids);
  }
}
