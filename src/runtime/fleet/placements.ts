/** What the hub knows of its nodes when it gives out work: what they announced, what it gave since, how they fared. */
import { parseRequirements, storedFields } from "#api";
import type { Clock, JsonObject, JsonValue, NodeId, TaskId } from "#base";
import {
  betterPlace,
  type Deferral,
  FailingNodes,
  type FleetNode,
  Homes,
  type NodeBackOff,
  type NodeFacts,
  type Places,
  type Presence,
  type WorkKind,
} from "#fleet";
import type { AttemptOutcome, ClaimedTask, QueueEvent, QueueEventKind } from "#queue";

export type PlacementParts = {
  readonly self: NodeId;
  /** What this node says of itself. */
  readonly describeSelf: () => JsonObject;
  readonly nodes: () => readonly FleetNode[];
  readonly presence: Presence;
  readonly clock: Clock;
};

type PlacedTask = { readonly id: TaskId; readonly requirements: string; readonly body: string };

const ENDS: ReadonlySet<QueueEventKind> = new Set(["task.done", "task.dead", "task.cancelled", "task.dropped"]);

/** Nodes are read this often, not at each claim; what changes between two is seen at the next. */
const LOOK_EVERY_MS = 500;

export class Placements {
  readonly #parts: PlacementParts;
  readonly #failing = new FailingNodes();
  readonly #homes = new Homes();
  /** Tasks that a node was given since it was heard from: its free places are fewer by so many. */
  readonly #given = new Map<NodeId, Record<WorkKind, number>>();
  #seen:
    | { readonly atMs: number; readonly nodes: readonly FleetNode[]; readonly facts: Map<NodeId, NodeFacts> }
    | undefined;

  constructor(parts: PlacementParts) {
    this.#parts = parts;
  }

  /** @returns the node for which `holder` should leave such work, and why. */
  deferral(holder: NodeId, requirements: string): Deferral | undefined {
    const facts = this.#facts();
    const asking = facts.get(holder);
    return asking === undefined
      ? undefined
      : betterPlace(asking, { requirements, kind: kindOf(requirements) }, [...facts.values()]);
  }

  /** As {@link deferral}, for one task: also by what was left for it, wherever that is. */
  taskDeferral(holder: NodeId, { id, requirements, body }: PlacedTask): Deferral | undefined {
    const home = this.#homes.isEmpty ? undefined : this.#homes.of(id, folderOf(body));
    if (home === undefined) return undefined;
    const facts = this.#facts();
    const asking = facts.get(holder);
    const work = { requirements, kind: kindOf(requirements), home };
    return asking === undefined ? undefined : betterPlace(asking, work, [...facts.values()]);
  }

  homed(holder: NodeId): ReadonlySet<TaskId> {
    return this.#homes.waitingFor(holder);
  }

  /** Where tasks begin, wait for another attempt, and end. */
  observe(events: readonly QueueEvent[]): void {
    for (const { kind, taskId, atMs, data } of events) {
      if (taskId === null) continue;
      const { node } = data;
      // `as`: the queue tells which node has claimed it.
      if (kind === "task.started" && typeof node === "string") this.#homes.began(taskId, node as NodeId, atMs);
      else if (kind === "task.retry" || kind === "task.released") this.#homes.waits(taskId, atMs);
      else if (ENDS.has(kind)) this.#homes.forget(taskId);
    }
  }

  /** Tasks were given to a node, this one included. */
  claimed(holder: NodeId, tasks: readonly ClaimedTask[]): void {
    for (const { body } of tasks) {
      const folder = folderOf(body);
      if (folder !== undefined) this.#homes.used(folder, holder);
    }
  }

  takesWork(node: FleetNode | undefined): boolean {
    return node?.state === "active" && this.backOff(node.id) === undefined;
  }

  backOff(node: NodeId): NodeBackOff | undefined {
    return this.#failing.backOff(node, this.#parts.clock.monotonicMs());
  }

  heard(node: NodeId): void {
    this.#given.delete(node);
    this.#renew(node);
  }

  gave(node: NodeId, tasks: readonly ClaimedTask[]): void {
    const given = this.#given.get(node) ?? { shell: 0, model: 0 };
    for (const { body } of tasks) given[storedFields(body)["executor"] === "shell" ? "shell" : "model"] += 1;
    this.#given.set(node, given);
    this.#renew(node);
  }

  ended(node: NodeId, outcome: AttemptOutcome): void {
    this.#failing.ended(node, outcome, this.#parts.clock.monotonicMs());
    this.#renew(node);
  }

  passedSomewhere(): void {
    this.#failing.passedSomewhere();
  }

  drop(node: NodeId): void {
    this.#failing.drop(node);
    this.#homes.drop(node);
    this.#given.delete(node);
    this.#seen = undefined;
  }

  #facts(): ReadonlyMap<NodeId, NodeFacts> {
    const { nodes, clock } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (this.#seen !== undefined && nowMs - this.#seen.atMs < LOOK_EVERY_MS) return this.#seen.facts;
    const all = nodes();
    const facts = new Map(all.map((node) => [node.id, this.#factsOf(node)]));
    this.#seen = { atMs: nowMs, nodes: all, facts };
    return facts;
  }

  /** One node has changed; a thousand claims a second must not read all of them each time. */
  #renew(id: NodeId): void {
    const node = this.#seen?.nodes.find((each) => each.id === id);
    if (node !== undefined) this.#seen?.facts.set(id, this.#factsOf(node));
  }

  #factsOf(node: FleetNode): NodeFacts {
    const { self, describeSelf, presence } = this.#parts;
    const isSelf = node.id === self;
    const said = isSelf ? describeSelf() : (presence.of(node.id)?.announced ?? {});
    const given = isSelf ? undefined : this.#given.get(node.id);
    return {
      node: node.id,
      name: node.name,
      takesWork: this.takesWork(node),
      silentMs: isSelf ? 0 : presence.silentMs(node.id),
      places: placesOf(said["places"], given),
      expectedSeconds: expectedOf(said["expectedSeconds"]),
    };
  }
}

/** The folder that a task names: what is in it lies on one node. */
function folderOf(body: string): string | undefined {
  const { workspace, repo } = storedFields(body);
  if (typeof workspace === "string") return workspace;
  return typeof repo === "string" ? repo : undefined;
}

function kindOf(requirements: string): WorkKind {
  return parseRequirements(requirements)?.executor === "shell" ? "shell" : "model";
}

function fieldsOf(value: JsonValue | undefined): JsonObject {
  // `as`: an object of JSON that is no array.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** Of a node of another version it may be anything, and is not known then. */
function placesOf(
  said: JsonValue | undefined,
  given: Readonly<Record<WorkKind, number>> | undefined,
): Readonly<Record<WorkKind, Places>> | undefined {
  const { shell, model } = fieldsOf(said);
  const ofShell = readPlaces(shell, given?.shell ?? 0);
  const ofModel = readPlaces(model, given?.model ?? 0);
  return ofShell === undefined || ofModel === undefined ? undefined : { shell: ofShell, model: ofModel };
}

function readPlaces(said: JsonValue | undefined, given: number): Places | undefined {
  const { free, total } = fieldsOf(said);
  if (typeof free !== "number" || typeof total !== "number") return undefined;
  return { free: Math.max(0, free - given), total: Math.max(0, total) };
}

function expectedOf(said: JsonValue | undefined): ReadonlyMap<string, number> {
  const known = new Map<string, number>();
  for (const [requirements, seconds] of Object.entries(fieldsOf(said))) {
    if (typeof seconds === "number" && seconds >= 0) known.set(requirements, seconds);
  }
  return known;
}
