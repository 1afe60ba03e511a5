/** What a person does to a fleet, and a node that wants to join: on the hub. */
import { type Clock, err, type NodeId, ok, type Random, type Result, refused } from "#base";
import type { TaskRow } from "#queue";
import type { FleetNode, JoinTokens, NodeDirectory, NodeSecrets, NodeState } from "./directory.ts";
import { markOf } from "./epoch.ts";
import { fleetLevel, unfit } from "./feature-level.ts";
import type { FleetOrders } from "./orders.ts";
import type { RequestGate } from "./trust/gate.ts";
import {
  type Candidate,
  type JoinAnswer,
  type JoinRequest,
  judgeJoin,
  makeToken,
  type TokenWish,
} from "./trust/join-token.ts";
import { isGenuine, type KeyChange } from "./trust/key-change.ts";
import { type Cryptography, fingerprintOf } from "./trust/keys.ts";
import type { FleetRole } from "./trust/roles.ts";

/** Nodes that were not removed. Each is a follower of the database and a row that every claim may look at. */
const MAX_NODES = 1_000;
/** So that whoever comes late is told why, and not that there never was such a token. */
const EXPIRED_KEPT_MS = 7 * 86_400_000;
/** Tokens that are kept at once, those that expired a while ago included. */
const MAX_TOKENS = 1_000;

export type TokenReceipt = {
  readonly id: string;
  /** `TOKEN@URL`; shown once. */
  readonly invitation: string;
  readonly role: FleetRole;
  readonly usesLeft: number;
  readonly expiresAtMs: number;
  /** What may keep a node from reaching this one; null when nothing is known to. */
  readonly warning: string | null;
};

export type TokenView = {
  readonly id: string;
  readonly role: FleetRole;
  readonly usesLeft: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  readonly isExpired: boolean;
};

export type DrainedNode = {
  readonly id: string;
  readonly name: string;
  readonly state: "cordoned";
  readonly running: readonly { readonly taskId: string; readonly startedAtMs: number | null }[];
};

/** As one node shows it to another: the hub carries it out, every other node asks the hub. */
export interface FleetAdministration {
  createToken(wish: TokenWish): Promise<Result<TokenReceipt>>;
  tokens(): Promise<Result<readonly TokenView[]>>;
  revokeToken(id: string): Promise<Result<{ readonly id: string }>>;
  /** @param node id or name */
  setNodeState(
    node: string,
    state: NodeState,
  ): Promise<Result<{ readonly id: string; readonly name: string; readonly state: NodeState }>>;
  /** Cordons a node. @returns what still runs there: it is drained when that stays empty */
  drainNode(node: string): Promise<Result<DrainedNode>>;
  /** Has a node other than the one that is asked be restarted when it is heard of next. */
  orderRestart(node: string): Promise<Result<{ readonly id: string }>>;
}

export type HubParts = {
  readonly self: {
    readonly id: NodeId;
    readonly name: string;
    readonly version: string;
    readonly featureLevel: number;
    readonly oldestFeatureLevel: number;
  };
  readonly fleet: string;
  /** The feature level at which the fleet works. */
  readonly level: () => number;
  /** Where nodes reach this one, and what is wrong with that address if something is. */
  readonly address: () => { readonly url: string; readonly warning: string | null };
  readonly epoch: () => number;
  readonly gate: RequestGate;
  readonly orders: FleetOrders;
  readonly nodes: NodeDirectory;
  readonly tokens: JoinTokens;
  readonly secrets: NodeSecrets;
  /** What runs on a node, as the queue has it. */
  readonly running: (node: NodeId) => Promise<Result<readonly TaskRow[]>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly cryptography: Cryptography;
  /** Told when a node's key opens nothing any more, so that what it has open is ended. */
  readonly onRemoved: (id: NodeId) => void;
};

export class HubAdministration implements FleetAdministration {
  readonly #parts: HubParts;

  constructor(parts: HubParts) {
    this.#parts = parts;
  }

  /**
   * This node is a hub by its configuration: it notes that like one that invited nodes, so that its next start asks the
   * others, and a copy of its state folder is known for one. Nothing changes where that is noted.
   */
  async beConfigured(): Promise<Result<void>> {
    const isHub = this.#parts.secrets.isHub();
    if (!isHub.ok) return isHub;
    if (isHub.value) return ok(undefined);
    const begun = await this.#becomeHub("configured");
    return begun.ok ? ok(undefined) : begun;
  }

  async createToken(wish: TokenWish): Promise<Result<TokenReceipt>> {
    const { tokens, clock, random, cryptography, address } = this.#parts;
    const begun = await this.#becomeHub("hub");
    if (!begun.ok) return begun;
    const nowMs = clock.nowMs();
    const pruned = tokens.removeExpired(nowMs - EXPIRED_KEPT_MS);
    if (!pruned.ok) return pruned;
    const kept = tokens.all();
    if (!kept.ok) return kept;
    if (kept.value.length >= MAX_TOKENS) {
      return err(
        refused("limit", `there are ${MAX_TOKENS} tokens already`, "Revoke some with: drover token revoke ID"),
      );
    }
    const { token, text } = makeToken(wish, begun.value.fingerprint, { nowMs, random, cryptography });
    const put = tokens.put(token);
    if (!put.ok) return put;
    const { url, warning } = address();
    const { id, role, usesLeft, expiresAtMs } = token;
    return ok({ id, invitation: `${text}@${url}`, role, usesLeft, expiresAtMs, warning });
  }

  async tokens(): Promise<Result<readonly TokenView[]>> {
    const nowMs = this.#parts.clock.nowMs();
    const found = this.#parts.tokens.all();
    if (!found.ok) return found;
    return ok(
      found.value.map(({ secretHash: _secret, ...token }) => ({ ...token, isExpired: nowMs >= token.expiresAtMs })),
    );
  }

  async revokeToken(id: string): Promise<Result<{ readonly id: string }>> {
    const removed = this.#parts.tokens.remove(id);
    if (!removed.ok) return removed;
    if (removed.value) return ok({ id });
    return err(refused("not_found", `there is no token ${id.slice(0, 64)}`, "See: drover token list"));
  }

  async setNodeState(
    node: string,
    state: NodeState,
  ): Promise<Result<{ readonly id: string; readonly name: string; readonly state: NodeState }>> {
    const { nodes, self, gate, orders, onRemoved } = this.#parts;
    const found = this.#resolve(node);
    if (!found.ok) return found;
    const { id, name } = found.value;
    if (id === self.id && state === "removed") {
      const remedy = "Let another node become the hub first, or remove the others";
      return err(refused("conflict", "the hub itself cannot be removed", remedy));
    }
    if (found.value.state === "removed" && state !== "removed") {
      return err(refused("conflict", `${name} was removed`, "Let it join again: drover token create"));
    }
    const changed = await nodes.setState(id, state);
    if (!changed.ok) return changed;
    if (state === "removed") {
      gate.drop(id);
      orders.drop(id);
      onRemoved(id);
    }
    return ok({ id, name, state });
  }

  async drainNode(node: string): Promise<Result<DrainedNode>> {
    const found = this.#resolve(node);
    if (!found.ok) return found;
    const { id, name, state } = found.value;
    // It is asked until nothing runs there: one that is cordoned is not written again each time.
    const cordoned = state === "cordoned" ? ok(undefined) : await this.setNodeState(id, "cordoned");
    if (!cordoned.ok) return cordoned;
    const rows = await this.#parts.running(id);
    if (!rows.ok) return rows;
    const running = rows.value.map((row) => ({ taskId: row.id, startedAtMs: row.startedAtMs }));
    return ok({ id, name, state: "cordoned", running });
  }

  async orderRestart(node: string): Promise<Result<{ readonly id: string }>> {
    const found = this.#resolve(node);
    if (!found.ok) return found;
    if (found.value.state === "removed") return err(refused("conflict", `${found.value.name} was removed`));
    this.#parts.orders.restart(found.value.id, this.#parts.clock.monotonicMs());
    return ok({ id: found.value.id });
  }

  /** Lets a node in (J1 to J3), once however often it asks. */
  async admit(request: JoinRequest): Promise<Result<JoinAnswer>> {
    const { tokens, nodes, clock, cryptography, fleet, self, address, epoch, secrets } = this.#parts;
    const { node } = request;
    const token = tokens.find(request.token);
    if (!token.ok) return token;
    const hasUsed = tokens.hasUsed(request.token, node.id, node.publicKey);
    if (!hasUsed.ok) return hasUsed;
    const nowMs = clock.nowMs();
    const judged = judgeJoin(request, token.value, { nowMs, hasUsed: hasUsed.value, cryptography });
    if (!judged.ok) return judged;
    const levels = { oldest: node.oldestFeatureLevel ?? 0, newest: node.featureLevel };
    const fleetNow = { level: this.#parts.level(), version: self.version };
    const obstacle = unfit({ ...node, levels }, fleetNow) ?? obstacleTo(node, nodes, self.id);
    if (obstacle !== undefined) return err(obstacle);
    const key = secrets.key();
    if (!key.ok) return key;
    const used = tokens.use(request.token, node.id, node.publicKey);
    if (!used.ok) return used;
    if (!used.value) return err(refused("invalid", "the token was used as often as it may be"));
    const put = await nodes.put(rowOf(node, judged.value, nodes.find(node.id), nowMs));
    if (!put.ok) return put;
    this.#parts.gate.drop(node.id);
    const hub = { id: self.id, name: self.name, url: address().url, publicKey: key.value.publicKey };
    return ok({ fleet, hub, role: judged.value, epoch: epoch() });
  }

  /** Takes a node's new key, on the word of its old one. */
  async changeKey(id: NodeId, change: KeyChange): Promise<Result<void>> {
    const { nodes, cryptography } = this.#parts;
    if (nodes.find(id)?.publicKey === change.to) return ok(undefined);
    if (!isGenuine(id, change, cryptography)) return err(refused("invalid", "the old key did not sign the new one"));
    const changed = await nodes.setKey(id, change.from, change.to);
    if (!changed.ok) return changed;
    return changed.value ? ok(undefined) : err(refused("conflict", "the node has another key by now"));
  }

  /** A node leaves by itself. */
  leave(id: NodeId): Promise<Result<unknown>> {
    return this.setNodeState(id, "removed");
  }

  /** From then on this node is a hub: it has a key, is in its own table, and says so at each start. */
  async #becomeHub(role: "configured" | "hub"): Promise<Result<{ readonly fingerprint: string }>> {
    const { secrets, nodes, self, address, clock, cryptography, epoch } = this.#parts;
    const key = secrets.key();
    if (!key.ok) return key;
    const { publicKey } = key.value;
    const nowMs = clock.nowMs();
    const { url } = address();
    const known = nodes.find(self.id);
    if (known?.publicKey !== publicKey || known.state === "removed" || known.url !== url) {
      const candidate: Candidate = { ...self, publicKey, url, leaseClass: "strict" };
      const put = await nodes.put(rowOf(candidate, "operator", known, nowMs));
      if (!put.ok) return put;
    }
    if (nodes.level() === undefined) {
      const begun = await nodes.raiseLevel(this.#firstLevel());
      if (!begun.ok) return begun;
    }
    if (nodes.hub() === undefined) {
      const why = role === "hub" ? "first token" : "node.role";
      const put = await nodes.putHub({ epoch: epoch(), node: self.id, url, atMs: nowMs, why });
      if (!put.ok) return put;
    }
    const noted = secrets.noteRole(role);
    return noted.ok ? ok({ fingerprint: fingerprintOf(publicKey, cryptography) }) : noted;
  }

  /** A fleet begins at what its hub speaks, unless there are nodes already that speak less. */
  #firstLevel(): number {
    const { nodes, self } = this.#parts;
    const others = nodes
      .all()
      .filter(({ id, state }) => id !== self.id && state !== "removed")
      .map(({ featureLevel }) => ({ newest: featureLevel, silentMs: 0 }));
    const own = { oldest: self.oldestFeatureLevel, newest: self.featureLevel };
    return fleetLevel({ stored: 0, own, others, isSettled: false });
  }

  #resolve(node: string): Result<FleetNode> {
    const all = this.#parts.nodes.all();
    const byId = all.find(({ id }) => id === node);
    if (byId !== undefined) return ok(byId);
    const named = all.filter(({ name, state }) => name === node && state !== "removed");
    const [only] = named;
    if (only !== undefined && named.length === 1) return ok(only);
    const shown = node.slice(0, 100);
    return named.length === 0
      ? err(refused("not_found", `there is no node ${shown}`, "See: drover node list"))
      : err(refused("conflict", `${named.length} nodes are named ${shown}`, "Give the id of the one that is meant"));
  }
}

/** Why a node may not join although its token is good. */
function obstacleTo(node: Candidate, nodes: NodeDirectory, self: NodeId): ReturnType<typeof refused> | undefined {
  if (node.id === self) {
    return refused(
      "conflict",
      "this is the hub itself, or a copy of its state folder",
      "Give the node a state folder of its own",
    );
  }
  const all = nodes.all().filter(({ state }) => state !== "removed");
  const same = all.find(({ id }) => id === node.id);
  if (same !== undefined && same.publicKey !== node.publicKey) {
    return refused(
      "conflict",
      `${same.name} is in this fleet under the same id with another key: one state folder is the copy of the other`,
      `Give the copy a state folder of its own; if the other one is gone: drover node remove ${node.id}`,
    );
  }
  if (all.some(({ id, publicKey }) => id !== node.id && publicKey === node.publicKey)) {
    return refused(
      "conflict",
      "another node of this fleet has the same key",
      "Give the node a state folder of its own",
    );
  }
  if (nodes.all().some(({ id }) => id !== node.id && markOf(id) === markOf(node.id))) {
    return refused(
      "conflict",
      "the id of the node ends like that of another one, and epochs tell nodes apart by that",
      "Give the node a new state folder, and let it join from there",
    );
  }
  if (same === undefined && all.length >= MAX_NODES) {
    return refused("limit", `the fleet has ${all.length} nodes, and no more than ${MAX_NODES} may be in one`);
  }
  return undefined;
}

function rowOf(node: Candidate, role: FleetRole, known: FleetNode | undefined, nowMs: number): FleetNode {
  const { oldestFeatureLevel: _named, ...kept } = node;
  return {
    ...kept,
    role,
    state: "active",
    joinedAtMs: known === undefined || known.state === "removed" ? nowMs : known.joinedAtMs,
    seenAtMs: nowMs,
    announced: known?.announced ?? {},
  };
}
