/** The ports of directory.ts in memory: for tests, and for a queue that lives no longer than its process. */
import { err, type NodeId, ok, type Result, refused } from "#base";
import type { FleetNode, HubTerm, JoinTokens, Membership, NodeDirectory, NodeSecrets, NotedRole } from "./directory.ts";
import type { Promotion } from "./succession.ts";
import type { JoinToken } from "./trust/join-token.ts";
import { type KeyChange, MAX_KEY_CHANGES } from "./trust/key-change.ts";
import type { Cryptography, NodeKey } from "./trust/keys.ts";
import type { Voters } from "./voters.ts";

export class MemoryNodeDirectory implements NodeDirectory {
  readonly #nodes = new Map<NodeId, FleetNode>();
  readonly #leaders = new Set<NodeId>();
  #hub: HubTerm | undefined;
  #voters: Voters | undefined;
  #level: number | undefined;

  find(id: NodeId): FleetNode | undefined {
    return this.#nodes.get(id);
  }

  all(): readonly FleetNode[] {
    return [...this.#nodes.values()].sort((a, b) =>
      a.name === b.name ? (a.id < b.id ? -1 : 1) : a.name < b.name ? -1 : 1,
    );
  }

  hub(): HubTerm | undefined {
    return this.#hub;
  }

  async put(node: FleetNode): Promise<Result<void>> {
    if (this.all().some(({ id, publicKey }) => id !== node.id && publicKey === node.publicKey)) return err(sameKey());
    this.#nodes.set(node.id, node);
    return ok(undefined);
  }

  async setState(id: NodeId, state: FleetNode["state"]): Promise<Result<boolean>> {
    return ok(this.#change(id, { state }));
  }

  async setKey(id: NodeId, from: string, to: string): Promise<Result<boolean>> {
    return ok(this.find(id)?.publicKey === from && this.#change(id, { publicKey: to }));
  }

  async setSeen(id: NodeId, seen: Parameters<NodeDirectory["setSeen"]>[1]): Promise<Result<boolean>> {
    const { atMs, version, featureLevel, announced } = seen;
    return ok(this.#change(id, { seenAtMs: atMs, version, featureLevel, announced }));
  }

  level(): number | undefined {
    return this.#level;
  }

  async raiseLevel(level: number): Promise<Result<boolean>> {
    const isHigher = level > (this.#level ?? 0);
    if (isHigher) this.#level = level;
    return ok(isHigher);
  }

  hasLed(id: NodeId): boolean {
    return this.#leaders.has(id);
  }

  async putHub(term: HubTerm): Promise<Result<void>> {
    this.#leaders.add(term.node);
    if (this.#hub === undefined || term.epoch > this.#hub.epoch) this.#hub = term;
    return ok(undefined);
  }

  voters(): Voters | undefined {
    return this.#voters;
  }

  async putVoters(voters: Voters, before: number): Promise<Result<boolean>> {
    if ((this.#voters?.version ?? 0) !== before) return ok(false);
    this.#voters = voters;
    return ok(true);
  }

  #change(id: NodeId, fields: Partial<FleetNode>): boolean {
    const node = this.#nodes.get(id);
    if (node !== undefined) this.#nodes.set(id, { ...node, ...fields });
    return node !== undefined;
  }
}

/** What a directory answers when a key is that of another node. */
export function sameKey(): ReturnType<typeof refused> {
  return refused("conflict", "another node of this fleet has the same key", "Give the node a state folder of its own");
}

export class MemoryJoinTokens implements JoinTokens {
  readonly #tokens = new Map<string, JoinToken>();
  readonly #uses = new Set<string>();

  put(token: JoinToken): Result<void> {
    this.#tokens.set(token.id, token);
    return ok(undefined);
  }

  find(id: string): Result<JoinToken | undefined> {
    return ok(this.#tokens.get(id));
  }

  all(): Result<readonly JoinToken[]> {
    return ok([...this.#tokens.values()].sort((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1)));
  }

  use(id: string, node: NodeId, publicKey: string): Result<boolean> {
    const name = `${id} ${node} ${publicKey}`;
    if (this.#uses.has(name)) return ok(true);
    const token = this.#tokens.get(id);
    if (token === undefined || token.usesLeft <= 0) return ok(false);
    this.#tokens.set(id, { ...token, usesLeft: token.usesLeft - 1 });
    this.#uses.add(name);
    return ok(true);
  }

  hasUsed(id: string, node: NodeId, publicKey: string): Result<boolean> {
    return ok(this.#uses.has(`${id} ${node} ${publicKey}`));
  }

  remove(id: string): Result<boolean> {
    return ok(this.#tokens.delete(id));
  }

  removeExpired(nowMs: number): Result<number> {
    const expired = [...this.#tokens.values()].filter(({ expiresAtMs }) => nowMs >= expiresAtMs);
    for (const { id } of expired) this.#tokens.delete(id);
    return ok(expired.length);
  }
}

export class MemoryNodeSecrets implements NodeSecrets {
  readonly #cryptography: Cryptography;
  #key: NodeKey | undefined;
  #next: NodeKey | undefined;
  #changes: readonly KeyChange[] = [];
  #membership: Membership | undefined;
  #role: NotedRole = "solo";
  promotion: Promotion | undefined;
  /** What it is to become with its next start. */
  stepDown: Membership | undefined;

  constructor(cryptography: Cryptography) {
    this.#cryptography = cryptography;
  }

  key(): Result<NodeKey> {
    this.#key ??= this.#cryptography.makeKey();
    return ok(this.#key);
  }

  nextKey(): Result<NodeKey> {
    this.#next ??= this.#cryptography.makeKey();
    return ok(this.#next);
  }

  adoptNextKey(change: KeyChange): Result<void> {
    if (this.#next === undefined) return ok(undefined);
    this.#key = this.#next;
    this.#next = undefined;
    this.#changes = [...this.#changes, change].slice(-MAX_KEY_CHANGES);
    return ok(undefined);
  }

  keyChanges(): Result<readonly KeyChange[]> {
    return ok(this.#changes);
  }

  beginPromotion(promotion: Promotion): Result<void> {
    this.promotion = promotion;
    return ok(undefined);
  }

  beginStepDown(membership: Membership): Result<void> {
    this.stepDown = membership;
    return ok(undefined);
  }

  membership(): Result<Membership | undefined> {
    return ok(this.#membership);
  }

  setMembership(membership: Membership | undefined): Result<void> {
    this.#membership = membership;
    return ok(undefined);
  }

  isHub(): Result<boolean> {
    return ok(this.#role !== "solo");
  }

  noteRole(role: NotedRole): Result<void> {
    this.#role = role;
    return ok(undefined);
  }
}
