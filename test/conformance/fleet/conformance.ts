/** What every store of a fleet does: its nodes, its tokens, and what one node keeps for itself. */
import { afterEach, describe, expect, test } from "vitest";
import { createIdFactory, ok, SimulatedClock, seededRandom } from "#base";
import {
  cryptography,
  type ElectionNote,
  type ElectionStore,
  EMPTY_NOTE,
  type FleetNode,
  type JoinToken,
  type JoinTokens,
  type KeyChange,
  MAX_KEY_CHANGES,
  type Membership,
  type NodeDirectory,
  type NodeSecrets,
  type Voters,
} from "#fleet";
import { failureIn, must } from "../../support/opened-stores.ts";

export type FleetStores = {
  readonly nodes: NodeDirectory;
  readonly tokens: JoinTokens;
  readonly secrets: NodeSecrets;
  readonly election: ElectionStore;
  readonly close: () => Promise<void>;
};

const ids = createIdFactory(new SimulatedClock(), seededRandom(4));

function node(name: string, more: Partial<FleetNode> = {}): FleetNode {
  return {
    id: ids.node(),
    name,
    role: "member",
    publicKey: cryptography.makeKey().publicKey,
    url: null,
    version: "0.1.0",
    featureLevel: 1,
    state: "active",
    leaseClass: "hold",
    joinedAtMs: 5,
    seenAtMs: 6,
    announced: { running: 2 },
    ...more,
  };
}

function token(id: string, more: Partial<JoinToken> = {}): JoinToken {
  return { id, secretHash: "ab", role: "reader", usesLeft: 1, expiresAtMs: 100, createdAtMs: 1, ...more };
}

export function describeFleetStores(name: string, open: () => Promise<FleetStores>): void {
  describe(`the stores of a fleet, ${name}`, () => {
    const opened: FleetStores[] = [];
    afterEach(async () => {
      for (const stores of opened.splice(0)) await stores.close();
    });
    const make = async (): Promise<FleetStores> => {
      const stores = await open();
      opened.push(stores);
      return stores;
    };

    test("keep the voters that were published last, each in the place of the one before", async () => {
      const { nodes } = await make();
      const first: Voters = {
        epoch: 1,
        version: 1,
        mode: "automatic",
        leaseMs: 10_000,
        nodes: [ids.node()],
        isHandover: false,
      };
      const second: Voters = { ...first, version: 2, mode: "manual", isHandover: true };

      expect(nodes.voters()).toBeUndefined();
      expect(must(await nodes.putVoters(first, 0))).toBe(true);
      expect(must(await nodes.putVoters(second, 0))).toBe(false);
      expect(nodes.voters()).toEqual(first);
      expect(must(await nodes.putVoters(second, 1))).toBe(true);
      expect(nodes.voters()).toEqual(second);
    });

    test("E1: keep what a node has promised in elections", async () => {
      const { election } = await make();
      const note: ElectionNote = { ...EMPTY_NOTE, voted: { epoch: 5, node: ids.node() }, lentTo: 3, longestMs: 1_000 };

      expect(must(election.read())).toEqual(EMPTY_NOTE);
      must(election.write(note));
      expect(must(election.read())).toEqual(note);
    });

    test("keep nodes as they are, by name, and what changes of them", async () => {
      const { nodes } = await make();
      const [b, a] = [node("b", { url: "http://b:7433" }), node("a")];
      for (const one of [b, a]) must(await nodes.put(one));

      expect(nodes.find(b.id)).toEqual(b);
      expect(nodes.all()).toEqual([a, b]);
      expect(must(await nodes.setState(a.id, "removed"))).toBe(true);
      expect(must(await nodes.setSeen(a.id, { atMs: 9, version: "0.2.0", featureLevel: 3, announced: {} }))).toBe(true);
      expect(nodes.find(a.id)).toEqual({
        ...a,
        state: "removed",
        seenAtMs: 9,
        version: "0.2.0",
        featureLevel: 3,
        announced: {},
      });
      must(await nodes.put({ ...a, name: "c" }));
      expect(nodes.all().map((one) => one.name)).toEqual(["b", "c"]);
      expect(must(await nodes.setState(ids.node(), "cordoned"))).toBe(false);
      expect(nodes.find(ids.node())).toBeUndefined();
    });

    test("keep the feature level of the fleet, which never falls", async () => {
      const { nodes } = await make();

      expect(nodes.level()).toBeUndefined();
      expect(must(await nodes.raiseLevel(2))).toBe(true);
      expect(must(await nodes.raiseLevel(2))).toBe(false);
      expect(must(await nodes.raiseLevel(1))).toBe(false);
      expect(nodes.level()).toBe(2);
    });

    test("give one key to one node, and another key only in the place of the right one", async () => {
      const { nodes } = await make();
      const [a, b] = [node("a"), node("b")];
      const next = cryptography.makeKey().publicKey;
      for (const one of [a, b]) must(await nodes.put(one));

      expect(failureIn(await nodes.put({ ...b, publicKey: a.publicKey })).code).toBe("conflict");
      expect(nodes.find(a.id)).toEqual(a);
      expect(must(await nodes.setKey(a.id, a.publicKey, next))).toBe(true);
      expect(must(await nodes.setKey(a.id, a.publicKey, next))).toBe(false);
      expect(nodes.find(a.id)?.publicKey).toBe(next);
      expect(nodes.find(b.id)).toEqual(b);
    });

    test("know the newest hub, and do not change a term that is over", async () => {
      const { nodes } = await make();
      const [a, b] = [ids.node(), ids.node()];
      const term = { epoch: 1, node: a, url: "http://a", atMs: 1, why: "first token" };

      expect(nodes.hub()).toBeUndefined();
      must(await nodes.putHub(term));
      must(await nodes.putHub({ ...term, node: b }));
      expect(nodes.hub()).toEqual(term);
      must(await nodes.putHub({ ...term, epoch: 2, node: b }));
      expect(nodes.hub()).toMatchObject({ epoch: 2, node: b });
      expect([a, b, ids.node()].map((id) => nodes.hasLed(id))).toEqual([true, true, false]);
    });

    test("count the uses of a token, one for each node and key, and keep it until it is removed", async () => {
      const { tokens } = await make();
      const [a, b] = [ids.node(), ids.node()];
      must(tokens.put(token("one", { usesLeft: 2, createdAtMs: 1 })));
      must(tokens.put(token("two", { createdAtMs: 2, expiresAtMs: 50 })));

      expect(must(tokens.use("one", a, "k"))).toBe(true);
      expect(must(tokens.use("one", a, "k"))).toBe(true);
      expect(must(tokens.find("one"))?.usesLeft).toBe(1);
      expect(must(tokens.hasUsed("one", a, "k"))).toBe(true);
      expect(must(tokens.hasUsed("one", a, "other"))).toBe(false);
      expect(must(tokens.use("one", b, "k"))).toBe(true);
      expect(must(tokens.use("one", ids.node(), "k"))).toBe(false);
      expect(must(tokens.use("gone", a, "k"))).toBe(false);
      expect(must(tokens.all()).map(({ id }) => id)).toEqual(["two", "one"]);
      expect(must(tokens.removeExpired(50))).toBe(1);
      expect(must(tokens.remove("one"))).toBe(true);
      expect(must(tokens.remove("one"))).toBe(false);
      expect(must(tokens.find("one"))).toBeUndefined();
    });

    test("keep a node's key until the next one takes its place, and how that came about", async () => {
      const { secrets } = await make();
      const key = must(secrets.key());
      const next = must(secrets.nextKey());

      expect(must(secrets.key())).toEqual(key);
      expect(must(secrets.nextKey())).toEqual(next);
      const first = { from: "k0", to: "k1", signature: "s" };
      must(secrets.adoptNextKey(first));
      expect(must(secrets.key())).toEqual(next);
      const changes: KeyChange[] = [first];
      for (let n = 1; n < MAX_KEY_CHANGES + 2; n += 1) {
        must(secrets.nextKey());
        const change = { from: `k${n}`, to: `k${n + 1}`, signature: "s" };
        changes.push(change);
        must(secrets.adoptNextKey(change));
      }
      expect(must(secrets.keyChanges())).toEqual(changes.slice(-MAX_KEY_CHANGES));
      must(secrets.adoptNextKey({ from: "x", to: "y", signature: "z" })); // there is no next one
      expect(must(secrets.keyChanges())).toEqual(changes.slice(-MAX_KEY_CHANGES));
    });

    test("keep a membership until it is taken away, and whether this node is a hub", async () => {
      const { secrets } = await make();
      const membership: Membership = {
        fleet: "f",
        role: "member",
        name: "a",
        url: null,
        leaseClass: "strict",
        hub: { id: ids.node(), name: "hub", url: "http://hub", publicKey: "k" },
        epoch: 1,
        joinedAtMs: 2,
        setAside: true,
      };

      expect(secrets.membership()).toEqual(ok(undefined));
      must(secrets.setMembership(membership));
      expect(secrets.membership()).toEqual(ok(membership));
      must(secrets.setMembership(undefined));
      expect(secrets.membership()).toEqual(ok(undefined));
      expect(secrets.isHub()).toEqual(ok(false));
      must(secrets.noteRole("configured"));
      expect(secrets.isHub()).toEqual(ok(true));
      must(secrets.noteRole("solo"));
      expect(secrets.isHub()).toEqual(ok(false));
      must(secrets.noteRole("hub"));
      expect(secrets.isHub()).toEqual(ok(true));
    });
  });
}
