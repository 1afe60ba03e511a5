/** Which work the nodes of a fleet show each other before it is delivered, and how long. */
import {
  describeFailure,
  type GoalId,
  type Logger,
  type NodeId,
  ok,
  parseGoalId,
  parseTaskId,
  type Result,
  type TaskId,
} from "#base";
import type { NodeDirectory } from "#fleet";
import { type GoalStore, hasGoalEnded } from "#goals";
import type { QueueStore } from "#queue";
import {
  type AttemptWork,
  type DeliveryOrder,
  type Policy,
  policyOf,
  type Registered,
  type RepositoryPlace,
  type RepositoryPlaces,
  type SharingParts as RepositorySharing,
  removeShared,
  sharedIds,
  type Turns,
} from "#repos";
import { isFromOutside } from "./from-outside.ts";
import { neededWork } from "./needed-work.ts";

export type SharingParts = RepositorySharing & {
  readonly nodeId: NodeId;
  readonly fleetNodes: Pick<NodeDirectory, "all">;
  readonly queue: Pick<QueueStore, "findMany">;
  readonly goals: Pick<GoalStore, "find">;
  readonly places: RepositoryPlaces;
  readonly work: Pick<AttemptWork, "bringIn">;
  readonly turns: Turns;
  readonly policy: Policy;
  readonly logger: Logger;
};

export class Sharing {
  readonly #parts: SharingParts;

  constructor(parts: SharingParts) {
    this.#parts = parts;
  }

  /**
   * Whether commits may lie at the remote of a repository before they are delivered. Not where nobody else would read
   * them, nor where nothing may be published without a person.
   */
  isWanted(repository: Registered): boolean {
    const { fleetNodes, nodeId, policy } = this.#parts;
    if (!repository.share || policyOf(repository, policy).atMost === "ask") return false;
    return fleetNodes.all().some(({ id, state }) => id !== nodeId && state === "active");
  }

  /** The same for one goal, or a task of none: nor what somebody outside asked for and a person is to see first. */
  async mayShare(repository: Registered, workId: string): Promise<Result<boolean>> {
    const { goals, policy } = this.#parts;
    const id = parseGoalId(workId);
    const goal = id === undefined ? ok(undefined) : await goals.find(id);
    if (!goal.ok) return goal;
    // The tasks of one with a home all run there.
    if (!this.isWanted(repository) || (goal.value !== undefined && goal.value.home !== null)) return ok(false);
    if (policyOf(repository, policy).outside !== "ask") return ok(true);
    const outside = await isFromOutside(goals, workId);
    return outside.ok ? ok(!outside.value) : outside;
  }

  /** @returns the folder of the repository, where it is the only one that has what a goal changes; else undefined */
  async onlyFolder(repository: Registered, goal: GoalId): Promise<Result<string | undefined>> {
    const place = await this.#parts.places.open(repository);
    const shares = place.ok ? await this.mayShare(repository, goal) : place;
    if (!place.ok || !shares.ok) return place.ok ? (shares as Result<never>) : place; // `as`: one of the two failed
    const { remoteUrl, gitDir } = place.value;
    return ok(remoteUrl !== undefined && shares.value ? undefined : gitDir);
  }

  /** In a turn of the repository. */
  async bringIn(
    repository: Registered,
    place: RepositoryPlace,
    main: string,
    { goalId, tasks = [] }: Pick<DeliveryOrder, "goalId" | "tasks">,
  ): Promise<Result<string | undefined>> {
    const { queue, work } = this.#parts;
    // `as`: ids of tasks of a goal
    const needs = await neededWork(queue, tasks as readonly TaskId[], repository.name);
    if (!needs.ok) return needs;
    const may = await this.mayShare(repository, goalId);
    if (!may.ok) return may;
    const shares = place.remoteUrl !== undefined && may.value;
    return work.bringIn({ repository, place, workId: goalId, shares, main }, needs.value);
  }

  /** What cannot be removed now is removed by {@link tidy}. */
  async forget(place: RepositoryPlace, id: string): Promise<void> {
    if (place.remoteUrl === undefined) return;
    const removed = await removeShared(this.#parts, place, id);
    if (removed.ok) return;
    this.#parts.logger.warn("shared work stays at the remote", { id, failure: describeFailure(removed.error) });
  }

  /** Removes from the remote of a repository what is delivered, cancelled, or not known any more. To be called now and then. */
  async tidy(repository: Registered): Promise<Result<void>> {
    if (!this.isWanted(repository)) return ok(undefined);
    const { places, turns } = this.#parts;
    return turns.run(repository.name, async () => {
      const place = await places.open(repository);
      if (!place.ok) return place;
      if (place.value.remoteUrl === undefined) return ok(undefined);
      const ids = await sharedIds(this.#parts, place.value);
      if (!ids.ok) return ids;
      for (const id of ids.value) {
        const isOver = await this.#isOver(id);
        if (!isOver.ok) return isOver;
        if (isOver.value) await this.forget(place.value, id);
      }
      return ok(undefined);
    });
  }

  /** One that failed can still be delivered by a person, as long as it is kept. */
  async #isOver(id: string): Promise<Result<boolean>> {
    const { goals, queue } = this.#parts;
    const goalId = parseGoalId(id);
    if (goalId === undefined) {
      const taskId = parseTaskId(id);
      // A name that somebody gave to tasks of their own: nobody but they know when it is over. Its delivery removes it.
      if (taskId === undefined) return ok(false);
      const found = await queue.findMany([taskId]);
      return found.ok ? ok(found.value.length === 0) : found;
    }
    const found = await goals.find(goalId);
    if (!found.ok) return found;
    const goal = found.value;
    if (goal === undefined) return ok(true);
    const { outcome } = goal.delivery ?? {};
    return ok(hasGoalEnded(goal) && goal.state !== "failed" && outcome !== "asks");
  }
}
