/** What a node does about its own place in a fleet: join, leave, take another key. */
import { type Clock, err, type NodeId, ok, type Random, type Result, refused } from "#base";
import type { Membership, NodeSecrets } from "./directory.ts";
import {
  hubUrl,
  type JoinAnswer,
  type JoinRequest,
  joinRequest,
  type LeaseClass,
  readInvitation,
  type TokenText,
} from "./trust/join-token.ts";
import { type KeyChange, makeKeyChange } from "./trust/key-change.ts";
import type { Cryptography } from "./trust/keys.ts";
import { nonceMaker } from "./trust/signing.ts";

export type JoinWish = {
  /** `TOKEN@URL` */
  readonly invitation: string;
  readonly name?: string | undefined;
  /** Where the others reach this node. */
  readonly url?: string | undefined;
  readonly leaseClass: LeaseClass;
  /** Join although tasks of this node have not ended; they are kept aside. */
  readonly setAside: boolean;
};

/** The hub, as this part needs it. */
export interface HubLink {
  askToJoin(url: string, token: TokenText, request: JoinRequest): Promise<Result<JoinAnswer>>;
  /** Under the signature of this node's present key. */
  leave(membership: Membership): Promise<Result<unknown>>;
  changeKey(membership: Membership, change: KeyChange): Promise<Result<unknown>>;
  /** Whether the hub knows the key that is to come already: an answer was lost. */
  knowsKey(membership: Membership, key: { readonly privateKey: string; readonly publicKey: string }): Promise<boolean>;
}

export type EnrolmentParts = {
  readonly self: {
    readonly id: NodeId;
    readonly name: string;
    readonly version: string;
    readonly featureLevel: number;
    readonly oldestFeatureLevel: number;
  };
  readonly secrets: NodeSecrets;
  /** Tasks of this node's own queue that have not ended. */
  readonly openTasks: () => Promise<Result<number>>;
  readonly link: HubLink;
  /** Takes this node's new key where this node is the hub. */
  readonly changeOwnKey: (change: KeyChange) => Promise<Result<void>>;
  readonly clock: Clock;
  readonly random: Random;
  readonly cryptography: Cryptography;
};

export class Enrolment {
  readonly #parts: EnrolmentParts;

  constructor(parts: EnrolmentParts) {
    this.#parts = parts;
  }

  membership(): Result<Membership | undefined> {
    return this.#parts.secrets.membership();
  }

  /** Joins, and notes it for the next start: until then this node goes on as it was. */
  async join(wish: JoinWish): Promise<Result<Membership>> {
    const { self, secrets, link, clock, random, cryptography } = this.#parts;
    const invitation = readInvitation(wish.invitation);
    if (!invitation.ok) return invitation;
    const url = wish.url === undefined ? null : hubUrl(wish.url);
    if (url === undefined) {
      return err(
        refused("invalid", "the address of this node is no http or https URL", "Give it as --url http://HOST:PORT"),
      );
    }
    const free = await this.#mayJoin(wish.setAside);
    if (!free.ok) return free;
    const key = secrets.key();
    if (!key.ok) return key;
    const name = wish.name ?? self.name;
    const node = { ...self, name, publicKey: key.value.publicKey, url, leaseClass: wish.leaseClass };
    const request = joinRequest(invitation.value.token, node, nonceMaker(random)(), cryptography);
    const answer = await link.askToJoin(invitation.value.url, invitation.value.token, request);
    if (!answer.ok) return answer;
    const { fleet, role, hub, epoch } = answer.value;
    const membership: Membership = {
      fleet,
      role,
      name,
      url,
      leaseClass: wish.leaseClass,
      // The address that has just worked, not the one that the hub believes it has.
      hub: { ...hub, url: invitation.value.url },
      epoch,
      joinedAtMs: clock.nowMs(),
      setAside: free.value > 0,
    };
    const kept = secrets.setMembership(membership);
    return kept.ok ? ok(membership) : kept;
  }

  /** @param force also when the hub cannot be told */
  async leave(force: boolean): Promise<Result<{ readonly fleet: string; readonly told: boolean }>> {
    const { secrets, link } = this.#parts;
    const membership = secrets.membership();
    if (!membership.ok) return membership;
    if (membership.value === undefined) return err(notAMember());
    const told = await link.leave(membership.value);
    if (!told.ok && !force) {
      const remedy = "Try again when it runs, or leave without telling it: drover leave --force";
      return err({ ...told.error, message: `tell the hub: ${told.error.message}`, remedy });
    }
    const kept = secrets.setMembership(undefined);
    return kept.ok ? ok({ fleet: membership.value.fleet, told: told.ok }) : kept;
  }

  /** Gives this node another key. Killed at any place, it is finished by doing it again. */
  async rotateKey(): Promise<Result<{ readonly publicKey: string }>> {
    const { self, secrets, link, cryptography, changeOwnKey } = this.#parts;
    const membership = secrets.membership();
    if (!membership.ok) return membership;
    const isHub = secrets.isHub();
    if (!isHub.ok) return isHub;
    if (membership.value === undefined && !isHub.value) return err(notAMember());
    const present = secrets.key();
    if (!present.ok) return present;
    const next = secrets.nextKey();
    if (!next.ok) return next;
    const change = makeKeyChange(self.id, present.value, next.value.publicKey, cryptography);
    const told =
      membership.value === undefined ? await changeOwnKey(change) : await link.changeKey(membership.value, change);
    // An answer to an earlier try may have been lost: then the hub knows the next key and not the present one.
    if (!told.ok && !(membership.value !== undefined && (await link.knowsKey(membership.value, next.value))))
      return told;
    const adopted = secrets.adoptNextKey(change);
    return adopted.ok ? ok({ publicKey: next.value.publicKey }) : adopted;
  }

  /** @returns how many tasks have not ended. */
  async #mayJoin(setAside: boolean): Promise<Result<number>> {
    const { secrets, openTasks } = this.#parts;
    const membership = secrets.membership();
    if (!membership.ok) return membership;
    if (membership.value !== undefined) {
      const message = `this node is in the fleet of ${membership.value.hub.name} (${membership.value.hub.url}) already`;
      return err(refused("conflict", message, "Leave that one first: drover leave"));
    }
    const isHub = secrets.isHub();
    if (!isHub.ok) return isHub;
    if (isHub.value) {
      return err(
        refused("conflict", "this node is the hub of a fleet itself", "Use another state folder for a node that joins"),
      );
    }
    const open = await openTasks();
    if (!open.ok || open.value === 0 || setAside) return open;
    return err(
      refused(
        "conflict",
        `${open.value} tasks of this node have not ended, and its queue is left behind when it joins`,
        "Let them end or cancel them; or join with --set-aside, which keeps them in a file beside the fleet's",
      ),
    );
  }
}

function notAMember(): ReturnType<typeof refused> {
  return refused("conflict", "this node is in no fleet", "Join one with: drover join TOKEN@URL");
}
