import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createIdFactory, type NodeId, SimulatedClock, seededRandom } from "#base";
import {
  cryptography,
  type FleetRole,
  followKeyChanges,
  type KeyChange,
  type KnownNode,
  MAX_SKEW_MS,
  makeKeyChange,
  mayDo,
  type NodeKey,
  nonceMaker,
  RequestGate,
  SIGNATURE_HEADER,
  signRequest,
  verifyAnswer,
} from "#fleet";

const FLEET = "6f4c7a0e-0000-4000-8000-000000000001";

type World = {
  readonly clock: SimulatedClock;
  readonly gate: RequestGate;
  readonly node: { -readonly [K in keyof KnownNode]: KnownNode[K] };
  readonly key: NodeKey;
  readonly hubKey: NodeKey;
  readonly changes: KeyChange[];
  readonly nonce: () => string;
};

function makeWorld(): World {
  const clock = new SimulatedClock();
  const random = seededRandom(5);
  const key = cryptography.makeKey();
  const hubKey = cryptography.makeKey();
  const changes: KeyChange[] = [];
  const node = {
    id: createIdFactory(clock, random).node(),
    name: "gpu1",
    role: "member" as FleetRole, // `as`: a test changes it
    publicKey: key.publicKey,
    state: "active" as KnownNode["state"], // `as`: a test changes it
  };
  const gate = new RequestGate({
    fleet: () => FLEET,
    key: () => hubKey,
    keyChanges: () => changes,
    find: (id) => (id === node.id ? node : undefined),
    clock,
    random,
    cryptography,
  });
  return { clock, gate, node, key, hubKey, changes, nonce: nonceMaker(seededRandom(9)) };
}

type Sent = {
  method: string;
  target: string;
  body: string;
  headers: Record<string, string>;
};

function send(
  world: World,
  changed: { fleet?: string; session?: string; timeMs?: number; node?: NodeId; nonce?: string } = {},
): Sent {
  const request = {
    method: "POST",
    target: "/api/commands?x=1",
    body: '{"commands":[]}',
    timeMs: changed.timeMs ?? world.gate.nowMs(),
    nonce: changed.nonce ?? world.nonce(),
    session: changed.session ?? world.gate.session,
  };
  const signer = {
    fleet: changed.fleet ?? FLEET,
    node: changed.node ?? world.node.id,
    privateKey: world.key.privateKey,
  };
  return { ...request, headers: signRequest(request, signer, cryptography) };
}

function isHeader(place: string): place is `x-${string}` {
  return place.startsWith("x-");
}

function arrive(world: World, sent: Sent): string {
  const opened = world.gate.open((name) => sent.headers[name]);
  if (!opened.ok) return opened.why;
  const body = new TextEncoder().encode(sent.body);
  const verdict = world.gate.check({ method: sent.method, target: sent.target, body, claims: opened.claims });
  return verdict.ok ? "ok" : verdict.why;
}

describe("a signed request", () => {
  test("is taken once, and refused when it comes again", () => {
    const world = makeWorld();
    const sent = send(world);

    expect(arrive(world, sent)).toBe("ok");
    expect(arrive(world, sent)).toBe("replayed");
    expect(arrive(world, send(world))).toBe("ok");
  });

  test("is refused whichever character of it was altered, and leaves no nonce behind", () => {
    const world = makeWorld();
    const places: readonly (Exclude<keyof Sent, "headers"> | `x-${string}`)[] = [
      "method",
      "target",
      "body",
      "x-drover-node",
      "x-drover-time",
      "x-drover-nonce",
      "x-drover-session",
      "x-drover-signature",
    ];
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.nat(), fc.integer({ min: 33, max: 126 }), (place, at, code) => {
        const sent = send(world);
        const text = isHeader(place) ? (sent.headers[place] ?? "") : sent[place];
        const index = at % text.length;
        const altered = text.slice(0, index) + String.fromCharCode(code) + text.slice(index + 1);
        fc.pre(altered !== text);
        const forged: Sent = place.startsWith("x-")
          ? { ...sent, headers: { ...sent.headers, [place]: altered } }
          : { ...sent, [place]: altered };

        expect(["malformed", "unknown_node", "bad_signature"]).toContain(arrive(world, forged));
        expect(arrive(world, sent)).toBe("ok");
      }),
      { numRuns: 400 },
    );
  });

  test("of another fleet, under the same node and key, is refused", () => {
    const world = makeWorld();

    expect(arrive(world, send(world, { fleet: "6f4c7a0e-0000-4000-8000-000000000002" }))).toBe("bad_signature");
  });

  test("of another session is refused as that, and so is one from before the session was known", () => {
    const world = makeWorld();

    expect(arrive(world, send(world, { session: "b3RoZXI" }))).toBe("session_changed");
    expect(arrive(world, send(world, { session: "" }))).toBe("session_changed");
  });

  test("counts within the skew and not beyond it, whatever the hub's wall clock does meanwhile", () => {
    const world = makeWorld();
    const nowMs = world.gate.nowMs();
    const old = send(world, { timeMs: nowMs });

    expect(arrive(world, send(world, { timeMs: nowMs - MAX_SKEW_MS }))).toBe("ok");
    expect(arrive(world, send(world, { timeMs: nowMs - MAX_SKEW_MS - 1 }))).toBe("clock_skew");
    expect(arrive(world, send(world, { timeMs: nowMs + MAX_SKEW_MS + 1 }))).toBe("clock_skew");
    expect(arrive(world, old)).toBe("ok");
    world.clock.advance(3 * MAX_SKEW_MS);
    expect(arrive(world, send(world))).toBe("ok"); // makes the cache forget what is too old
    world.clock.jumpWall(-3 * MAX_SKEW_MS);
    expect(arrive(world, old)).toBe("clock_skew");
  });

  test("of a node that was removed is refused from then on", () => {
    const world = makeWorld();
    expect(arrive(world, send(world))).toBe("ok");

    world.node.state = "removed";

    expect(arrive(world, send(world))).toBe("removed");
    expect(world.gate.isWelcome(world.node.id)).toBe(false);
  });

  test("of a copy of the state folder is told from a restart: the process that was there before is refused", () => {
    const world = makeWorld();
    const restarted = nonceMaker(seededRandom(10));

    expect(arrive(world, send(world))).toBe("ok");
    expect(arrive(world, send(world, { nonce: restarted() }))).toBe("ok");
    expect(arrive(world, send(world, { nonce: restarted() }))).toBe("ok");
    expect(arrive(world, send(world))).toBe("twin");
    expect(arrive(world, send(world, { nonce: restarted() }))).toBe("ok");
  });

  test("beyond what can be remembered is refused, and taken again when the earlier ones are too old", () => {
    const world = makeWorld();
    let refusedAfter = 0;
    while (arrive(world, send(world)) === "ok") refusedAfter += 1;

    expect(refusedAfter).toBe(16_384);
    expect(arrive(world, send(world))).toBe("too_many");
    world.clock.advance(MAX_SKEW_MS + 1);
    expect(arrive(world, send(world))).toBe("ok");
  });
});

describe("an answer", () => {
  test("is believed only for its request, with its status and its body, under the key that is pinned", () => {
    const world = makeWorld();
    const body = new TextEncoder().encode('{"epoch":1}');
    const nonce = world.nonce();
    const signature = world.gate.answerHeaders(nonce, 200, body)[SIGNATURE_HEADER] ?? "";
    const believed = (answer: { nonce: string; status: number; body: Uint8Array }, key = world.hubKey): boolean =>
      verifyAnswer(answer, signature, key.publicKey, cryptography);

    expect(believed({ nonce, status: 200, body })).toBe(true);
    expect(believed({ nonce: world.nonce(), status: 200, body })).toBe(false);
    expect(believed({ nonce, status: 201, body })).toBe(false);
    expect(believed({ nonce, status: 200, body: new TextEncoder().encode('{"epoch":2}') })).toBe(false);
    expect(believed({ nonce, status: 200, body }, world.key)).toBe(false);
  });

  test("under a new key is believed by who follows the changes from the key it knows, and by nobody else", () => {
    const { node } = makeWorld();
    const keys = [cryptography.makeKey(), cryptography.makeKey(), cryptography.makeKey()] as const;
    const stranger = cryptography.makeKey();
    const changes = [
      makeKeyChange(node.id, keys[0], keys[1].publicKey, cryptography),
      makeKeyChange(node.id, keys[1], keys[2].publicKey, cryptography),
    ];
    const forged = { ...makeKeyChange(node.id, stranger, stranger.publicKey, cryptography), from: keys[0].publicKey };

    expect(followKeyChanges(node.id, keys[0].publicKey, changes, cryptography)).toBe(keys[2].publicKey);
    expect(followKeyChanges(node.id, keys[1].publicKey, changes, cryptography)).toBe(keys[2].publicKey);
    expect(followKeyChanges(node.id, stranger.publicKey, changes, cryptography)).toBe(stranger.publicKey);
    expect(followKeyChanges(node.id, keys[0].publicKey, [forged], cryptography)).toBe(keys[0].publicKey);
  });
});

test("a role may do what its own row says and what the rows before it say", () => {
  const table = (["reader", "member", "operator"] as const).map((role) =>
    (["follow", "work", "manage"] as const).map((action) => mayDo(role, action)),
  );

  expect(table).toEqual([
    [true, false, false],
    [true, true, false],
    [true, true, true],
  ]);
});
