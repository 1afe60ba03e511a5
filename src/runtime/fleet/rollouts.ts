/** Carries the update of a fleet out, on the hub: looks at the nodes, keeps what the rule decides, then asks them. */
import type { WatchdogPort } from "#api";
import {
  type Clock,
  describeFailure,
  err,
  type JsonValue,
  type Logger,
  type NodeId,
  ok,
  type Result,
  refused,
} from "#base";
import {
  type AttemptCount,
  beginRollout,
  type FleetNode,
  type FleetOrders,
  levelsSaid,
  type NodeSight,
  type Presence,
  type Rollout,
  type RolloutEvent,
  speaks,
  stepRollout,
  type TakeReport,
} from "#fleet";
import type { AttemptSample, QueueStore } from "#queue";
import { compareVersions, parseVersion } from "#watchdog";
import { type ReleaseShelf } from "./release-shelf.ts";
import { FROM_HUB, type ReleaseTaker } from "./release-taker.ts";

export type RolloutsParts = {
  readonly self: { readonly id: NodeId; readonly version: string };
  readonly store: Pick<QueueStore, "transact" | "recentAttempts">;
  readonly nodes: () => readonly FleetNode[];
  readonly presence: Presence;
  readonly orders: FleetOrders;
  readonly backOff: (node: NodeId) => { readonly reason: string } | undefined;
  readonly shelf: ReleaseShelf;
  readonly taker: ReleaseTaker;
  readonly watchdog: WatchdogPort;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type RolloutWish = {
  /** A release folder on this host, or the address of a manifest; null for update.manifest_url. */
  readonly from: string | null;
  readonly wave: number;
  readonly watchMs: number;
};

const LOOK_MS = 5_000;
const NAME = "current";
const HOUR_MS = 3_600_000;
/** Ended attempts that are looked through for those of the nodes that are watched. */
const MAX_ATTEMPTS = 5_000;

export class Rollouts {
  readonly #parts: RolloutsParts;
  #timer: { cancel(): void } | undefined;
  #isStopped = false;
  #working: Promise<unknown> = Promise.resolve();

  constructor(parts: RolloutsParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#later();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async current(): Promise<Result<Rollout | undefined>> {
    return readRollout(this.#parts.store);
  }

  /** Looks at the release, and begins unless another rollout is open. */
  begin(wish: RolloutWish): Promise<Result<Rollout>> {
    return this.#inTurn(() => this.#begin(wish));
  }

  steer(event: Exclude<RolloutEvent, "tick">): Promise<Result<Rollout>> {
    return this.#inTurn(async () => {
      const stepped = await this.#step(event);
      if (!stepped.ok) return stepped;
      const remedy = "Begin one with: drover update --fleet FOLDER";
      return stepped.value === undefined
        ? err(refused("not_found", "no update of the fleet was begun", remedy))
        : ok(stepped.value);
    });
  }

  /** To be called now and then. */
  look(): Promise<Result<Rollout | undefined>> {
    return this.#inTurn(() => this.#step("tick"));
  }

  async #begin({ from, wave, watchMs }: RolloutWish): Promise<Result<Rollout>> {
    const { watchdog, shelf, clock, self, nodes } = this.#parts;
    const open = await this.current();
    if (!open.ok) return open;
    const phase = open.value?.phase;
    if (phase === "running" || phase === "paused" || phase === "stopped") {
      const message = `the fleet is being updated to ${open.value?.version ?? "another release"} (${phase})`;
      return err(refused("conflict", message, "See: drover rollout show; end it with: drover rollout abort"));
    }
    const offered = offerOf(await watchdog.ask("check", { from }));
    if (!offered.ok) return offered;
    const isFolder = from !== null && !from.includes("://");
    const filled = isFolder ? shelf.fill(from) : ok([]);
    if (!filled.ok) return filled;
    const nowMs = clock.nowMs();
    const { version, source } = offered.value;
    const wanted = { id: nowMs.toString(36), version, from: isFolder ? FROM_HUB : source, wave, watchMs, hub: self.id };
    const begun = beginRollout(
      wanted,
      nodes().filter(({ state }) => state !== "removed"),
      nowMs,
    );
    const kept = await this.#keep(begun, undefined);
    if (!kept.ok) return kept;
    const stepped = await this.#step("tick");
    return stepped.ok ? ok(stepped.value ?? begun) : stepped;
  }

  async #step(event: RolloutEvent): Promise<Result<Rollout | undefined>> {
    const { clock, orders, self, taker } = this.#parts;
    const current = await this.current();
    if (!current.ok || current.value === undefined) return current;
    const before = current.value;
    const sights = await this.#sights(before);
    if (!sights.ok) return sights;
    const { rollout, effects } = stepRollout(before, event, { nowMs: clock.nowMs(), nodes: sights.value });
    // What is decided is kept before anybody is asked: a hub that starts anew then knows whom it has asked.
    const kept = await this.#keep(rollout, before);
    if (!kept.ok) return kept;
    for (const effect of effects) {
      if (effect.kind === "withdraw") orders.withdraw(effect.node);
      else {
        const order = { version: rollout.version, from: rollout.from, key: effect.key };
        if (effect.node === self.id) void taker.take(order);
        else orders.take(effect.node, order, clock.monotonicMs());
      }
    }
    return ok(rollout);
  }

  async #sights(rollout: Rollout): Promise<Result<readonly NodeSight[]>> {
    const { store, nodes } = this.#parts;
    const watched = rollout.nodes.filter(({ state }) => state === "watched");
    const sinceMs = Math.min(...watched.map((node) => node.sinceMs)) - HOUR_MS;
    const attempts = watched.length === 0 ? ok([]) : await store.recentAttempts(sinceMs, MAX_ATTEMPTS);
    if (!attempts.ok) return attempts;
    return ok(nodes().map((node) => this.#sightOf(node, rollout, attempts.value)));
  }

  #sightOf(node: FleetNode, rollout: Rollout, attempts: readonly AttemptSample[]): NodeSight {
    const { self, presence, clock, backOff, taker } = this.#parts;
    const isSelf = node.id === self.id;
    const seen = presence.of(node.id);
    const said = seen?.announced ?? node.announced;
    const version = isSelf ? self.version : typeof said["version"] === "string" ? said["version"] : node.version;
    const inState = rollout.nodes.find(({ id }) => id === node.id)?.sinceMs ?? clock.nowMs();
    const own = attempts.filter((attempt) => attempt.node === node.id && attempt.endedAtMs >= inState - HOUR_MS);
    return {
      id: node.id,
      name: node.name,
      version,
      isThere: isAtLeast(version, rollout.version),
      isRemoved: node.state === "removed",
      canTake: isSelf || speaks(levelsSaid(said, node.featureLevel).newest, "rollout"),
      silentMs: isSelf ? 0 : Math.min(presence.silentMs(node.id), clock.nowMs() - node.seenAtMs),
      report: isSelf ? taker.report : reportSaid(said["release"]),
      before: countOf(own.filter(({ endedAtMs }) => endedAtMs < inState)),
      since: countOf(own.filter(({ endedAtMs }) => endedAtMs >= inState)),
      backOff: backOff(node.id)?.reason ?? null,
    };
  }

  /** With a line in the history whenever it goes on, in the same commit. */
  async #keep(rollout: Rollout, before: Rollout | undefined): Promise<Result<void>> {
    const { store, self, clock, logger } = this.#parts;
    // `as`: numbers, texts, lists and objects of them.
    const value = rollout as unknown as JsonValue;
    if (before !== undefined && JSON.stringify(before) === JSON.stringify(rollout)) {
      return ok(undefined);
    }
    const { id, version, phase, reason } = rollout;
    const counts = new Map<string, number>();
    for (const { state } of rollout.nodes) counts.set(state, (counts.get(state) ?? 0) + 1);
    const data = { id, version, phase, reason, nodes: Object.fromEntries(counts) };
    if (phase !== before?.phase) logger.info("the update of the fleet", { version, phase, reason });
    return store.transact("keep how the update of the fleet goes", (tx) => {
      const atMs = clock.nowMs();
      tx.notes.put({ kind: "rollout", name: NAME, value, atMs, node: self.id });
      tx.appendEvent({ atMs, kind: "fleet.rollout", taskId: null, data });
      return ok(undefined);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#working.then(work);
    this.#working = done.catch(() => undefined);
    return done;
  }

  #later(): void {
    this.#timer = this.#parts.clock.after(LOOK_MS, () => {
      void this.look()
        .then((looked) => {
          if (looked.ok) return;
          this.#parts.logger.warn("the update of the fleet waits", { why: describeFailure(looked.error) });
        })
        .finally(() => {
          if (!this.#isStopped) this.#later();
        });
    });
  }
}

/** As the hub has it, and every node that follows it. */
export async function readRollout(store: Pick<QueueStore, "transact">): Promise<Result<Rollout | undefined>> {
  const rows = await store.transact("look how the update of the fleet goes", (tx) => ok(tx.notes.list("rollout")));
  if (!rows.ok) return rows;
  // `as`: written by a hub; what a newer one adds is passed over.
  return ok(rows.value.find(({ name }) => name === NAME)?.value as Rollout | undefined);
}

/** What the watchdog says of a release. One that the hub runs already is good for the others. */
function offerOf(said: Result<JsonValue>): Result<{ readonly version: string; readonly source: string }> {
  if (!said.ok) return said;
  // `as`: an answer of the watchdog; each field is looked at.
  const { version, available, reason, detail, from } = said.value as Readonly<Record<string, JsonValue>>;
  if (typeof version !== "string" || typeof from !== "string") {
    return err(refused("unsupported", "the watchdog answered in a form that this node does not know"));
  }
  if (available === true || reason === "replay") return ok({ version, source: from });
  return err(
    refused(
      "conflict",
      `drover ${version}: ${typeof detail === "string" ? detail : "it is not for this node"}`,
      "See: drover update --check FROM",
    ),
  );
}

function isAtLeast(version: string, wanted: string): boolean {
  const [has, wants] = [parseVersion(version), parseVersion(wanted)];
  return version === wanted || (has !== undefined && wants !== undefined && compareVersions(has, wants) >= 0);
}

function countOf(attempts: readonly AttemptSample[]): AttemptCount {
  const failed = attempts.filter(
    ({ outcome }) => outcome === "failed" || outcome === "timed_out" || outcome === "lost",
  );
  return { ended: attempts.length, failed: failed.length };
}

function reportSaid(said: JsonValue | undefined): TakeReport | null {
  if (typeof said !== "object" || said === null || Array.isArray(said)) return null;
  // `as`: an object of JSON that is no array.
  const { key, state, reason } = said as Readonly<Record<string, JsonValue>>;
  if (typeof key !== "string" || (state !== "taking" && state !== "committed" && state !== "failed")) return null;
  return { key, state, reason: typeof reason === "string" ? reason : null };
}
