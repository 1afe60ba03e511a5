/** Raises the feature level of a fleet once every node speaks more; on the hub alone. */
import { type Clock, describeFailure, type Failure, type Logger, type NodeId } from "#base";
import {
  FIRST_FEATURE_LEVEL,
  type FleetNode,
  fleetLevel,
  type LevelRange,
  levelsSaid,
  type NodeDirectory,
  type Presence,
  SETTLED_MS,
  unfit,
} from "#fleet";

export type LevelKeeperParts = {
  readonly self: NodeId;
  readonly own: LevelRange;
  readonly version: string;
  readonly nodes: Pick<NodeDirectory, "find" | "all" | "level" | "raiseLevel">;
  readonly presence: Presence;
  /**
   * How long this process runs before it raises anything: until it has heard of every node that is there, and until its
   * own release is past its probation. A release that is taken back must find a fleet that it can speak to.
   */
  readonly settleMs: number;
  /** Migrations of the fleet's database that wait for a level. */
  readonly waitingMigrations: readonly { readonly name: string; readonly needsLevel?: number | undefined }[];
  readonly isIdle: () => boolean;
  /** Has this node replaced by a new process, whose start applies what waited. */
  readonly restart: () => void;
  /** Told when the level has risen. */
  readonly onRaised: (level: number) => void;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** @returns how long a hub runs before it raises the level, with a probation of so long. */
export function settleMsOf(probationMs: number): number {
  return Math.max(SETTLED_MS, probationMs + 60_000);
}

export class LevelKeeper {
  readonly #parts: LevelKeeperParts;
  readonly #sinceMs: number;
  #hasAskedForRestart = false;

  constructor(parts: LevelKeeperParts) {
    this.#parts = parts;
    this.#sinceMs = parts.clock.monotonicMs();
  }

  get level(): number {
    return this.#parts.nodes.level() ?? FIRST_FEATURE_LEVEL;
  }

  /** @returns why a node's release and the fleet's do not fit; undefined when they do, and for one that is not known. */
  unfit(id: NodeId): Failure | undefined {
    const { nodes, version } = this.#parts;
    const node = nodes.find(id);
    if (node === undefined) return undefined;
    const said = this.#parts.presence.of(id)?.announced ?? node.announced;
    const runs = typeof said["version"] === "string" ? said["version"] : node.version;
    const levels = levelsSaid(said, node.featureLevel);
    return unfit({ name: node.name, version: runs, levels }, { level: this.level, version });
  }

  /** To be called now and then. */
  async look(): Promise<void> {
    const { clock, settleMs, nodes, own, self, logger, onRaised } = this.#parts;
    if (clock.monotonicMs() - this.#sinceMs < settleMs) return;
    const stored = this.level;
    const others = nodes
      .all()
      .filter(({ id, state }) => id !== self && state !== "removed")
      .map((node) => this.#otherOf(node));
    const level = fleetLevel({ stored, own, others, isSettled: true });
    if (level > stored) {
      const raised = await nodes.raiseLevel(level);
      if (!raised.ok) {
        logger.warn("the feature level was not raised", { why: describeFailure(raised.error) });
        return;
      }
      logger.info("every node speaks more: the feature level has risen", { from: stored, to: level });
      onRaised(level);
    }
    this.#applyWhatWaited();
  }

  #otherOf({ id, featureLevel, announced, seenAtMs }: FleetNode): { newest: number; silentMs: number } {
    const { presence, clock } = this.#parts;
    const seen = presence.of(id);
    const { newest } = levelsSaid(seen?.announced ?? announced, featureLevel);
    return { newest, silentMs: Math.min(presence.silentMs(id), clock.nowMs() - seenAtMs) };
  }

  /** Once in a process, and when nothing runs here. */
  #applyWhatWaited(): void {
    const { waitingMigrations, isIdle, restart, logger } = this.#parts;
    const due = waitingMigrations.filter(({ needsLevel = 0 }) => needsLevel <= this.level);
    if (due.length === 0 || this.#hasAskedForRestart || !isIdle()) return;
    this.#hasAskedForRestart = true;
    logger.info("the node starts anew for a migration that waited for the other nodes", {
      migrations: due.map(({ name }) => name).join(", "),
    });
    restart();
  }
}
