import type { Result } from "#base";
import {
  type Cryptography,
  type KeyChange,
  MAX_KEY_CHANGES,
  type Membership,
  type NodeKey,
  type NodeSecrets,
  type NotedRole,
  type Promotion,
} from "#fleet";
import type { Connection } from "./connection.ts";
import { ELECTION } from "./election-note.ts";
import { LEASES } from "./lease-text.ts";
import { readMeta, writeMeta } from "./meta.ts";
import { TAKEOVER_NOTE } from "./node-notes.ts";
import { onStorage } from "./storage-failure.ts";

const KEY = "node_key";
const NEXT_KEY = "node_key_next";
const KEY_CHANGES = "node_key_changes";
const MEMBERSHIP = "membership";
const ROLE = "role";
/** Begun, and finished by the next start (succession.ts). */
export const PROMOTION = "promotion";
export const STEP_DOWN = "step_down";

/**
 * This node's key and its place in a fleet, in the notes of node.db. Synchronous, each change one flush. What was read is
 * kept, for every signed request asks for it ten times; nobody else changes these notes while a node runs.
 */
export class LibsqlNodeSecrets implements NodeSecrets {
  readonly #connection: Connection;
  readonly #cryptography: Cryptography;
  readonly #known = new Map<string, string | undefined>();

  constructor(connection: Connection, cryptography: Cryptography) {
    this.#connection = connection;
    this.#cryptography = cryptography;
  }

  key(): Result<NodeKey> {
    return onStorage("read the node's key", () => this.#keyAt(KEY));
  }

  nextKey(): Result<NodeKey> {
    return onStorage("make the node's next key", () => this.#keyAt(NEXT_KEY));
  }

  adoptNextKey(change: KeyChange): Result<void> {
    return onStorage("take the node's next key", () => {
      const next = this.#read(NEXT_KEY);
      if (next === undefined) return;
      const changes = [...this.#changes(), change].slice(-MAX_KEY_CHANGES);
      this.#connection.exec("BEGIN IMMEDIATE");
      try {
        writeMeta(this.#connection, KEY, next);
        writeMeta(this.#connection, KEY_CHANGES, JSON.stringify(changes));
        removeMeta(this.#connection, NEXT_KEY);
        this.#connection.exec("COMMIT");
        this.#known.clear();
      } catch (cause) {
        if (this.#connection.inTransaction()) this.#connection.exec("ROLLBACK");
        throw cause;
      }
    });
  }

  keyChanges(): Result<readonly KeyChange[]> {
    return onStorage("read the changes of the node's key", () => this.#changes());
  }

  membership(): Result<Membership | undefined> {
    return onStorage("read the membership", () => {
      const noted = this.#read(MEMBERSHIP);
      return noted === undefined ? undefined : (JSON.parse(noted) as Membership); // `as`: written below
    });
  }

  setMembership(membership: Membership | undefined): Result<void> {
    return onStorage("note the membership", () => {
      if (membership === undefined) this.#write(MEMBERSHIP, undefined);
      else this.#write(MEMBERSHIP, JSON.stringify(membership));
    });
  }

  isHub(): Result<boolean> {
    return onStorage("read the role", () => isHubRole(this.#read(ROLE)));
  }

  noteRole(role: NotedRole): Result<void> {
    return onStorage("note the role", () => this.#write(ROLE, role));
  }

  beginPromotion(promotion: Promotion): Result<void> {
    return onStorage("note the promotion", () => this.#write(PROMOTION, JSON.stringify(promotion)));
  }

  beginStepDown(membership: Membership, folder: string): Result<void> {
    return onStorage("note the new hub", () => this.#write(STEP_DOWN, JSON.stringify({ membership, folder })));
  }

  #keyAt(name: string): NodeKey {
    const known = this.#read(name);
    if (known !== undefined) return JSON.parse(known) as NodeKey; // `as`: written below
    const made = this.#cryptography.makeKey();
    this.#write(name, JSON.stringify(made));
    return made;
  }

  #read(name: string): string | undefined {
    if (!this.#known.has(name)) this.#known.set(name, readMeta(this.#connection, name));
    return this.#known.get(name);
  }

  #write(name: string, value: string | undefined): void {
    if (value === undefined) removeMeta(this.#connection, name);
    else writeMeta(this.#connection, name, value);
    this.#known.set(name, value);
  }

  #changes(): readonly KeyChange[] {
    return JSON.parse(this.#read(KEY_CHANGES) ?? "[]") as readonly KeyChange[]; // `as`: written above
  }
}

/** Of a role as it is noted; none is noted before a node was ever more than alone. */
export function isHubRole(noted: string | undefined): boolean {
  return noted === "hub" || noted === "configured";
}

/** What a copy of a state folder must not have: its original may still run. */
export function forgetSecrets(connection: Connection): void {
  const names = [KEY, NEXT_KEY, KEY_CHANGES, MEMBERSHIP, ROLE, PROMOTION, STEP_DOWN, TAKEOVER_NOTE, ELECTION, LEASES];
  for (const name of names) removeMeta(connection, name);
  connection.exec("DELETE FROM join_token");
}

function removeMeta(connection: Connection, name: string): void {
  connection.prepare("DELETE FROM meta WHERE name = ?").run([name]);
}
