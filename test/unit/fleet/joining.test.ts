import { afterEach, describe, expect, test } from "vitest";
import { createIdFactory, ok, seededRandom } from "#base";
import { cryptography, FEATURE_LEVEL, joinRequest, readInvitation } from "#fleet";
import { readyRow } from "../../support/task-row.ts";
import { containing } from "../api/api-harness.ts";
import { askHub, type Box, clientOf, join, MovedClock, makeBox, membershipOf, textIn, whyOf } from "./fleet-world.ts";

const boxes: Box[] = [];
afterEach(async () => {
  for (const box of boxes.splice(0)) await box.stop();
});

async function started(name: string, options: Parameters<typeof makeBox>[1] = {}): Promise<Box> {
  const box = makeBox(name, options);
  boxes.push(box);
  await box.start();
  return box;
}

describe("joining", () => {
  test("takes a node into the fleet: it is listed, its key is believed, and its next start is that of a member", async () => {
    const hub = await started("hub");
    const box = await started("gpu1");

    const joined = await join(hub, box);
    const listed = await hub.ask("GET", "/api/nodes");
    const before = await box.ask("GET", "/api/fleet");
    await box.start();
    const after = await box.ask("GET", "/api/fleet");

    expect(joined).toMatchObject({
      status: 200,
      body: { role: "member", hub: { id: hub.id, url: hub.url() }, restarting: false },
    });
    expect(listed.body["nodes"]).toMatchObject([
      { id: box.id, name: "gpu1", role: "member", state: "active", isFresh: true },
      { id: hub.id, name: "hub", role: "hub", isSelf: true },
    ]);
    expect(before.body).toMatchObject({ role: "solo", isRestartDue: true });
    expect(after.body).toMatchObject({ role: "member", isRestartDue: false, hub: { id: hub.id } });
    expect((await hub.ask("GET", "/api/fleet")).body).toMatchObject({ role: "hub", hub: null });
    expect(await askHub(clientOf(box))).toEqual(ok({ epoch: 1, hub: null }));
  });

  test("with a token that was used, revoked, has expired or was made up is refused, and leaves the node as it was", async () => {
    const hub = await started("hub");
    const box = await started("gpu1");
    const other = await started("gpu2");
    const used = textIn(await hub.ask("POST", "/api/tokens", {}), "invitation");
    expect((await other.ask("POST", "/api/fleet/join", { invitation: used })).status).toBe(200);
    const revoked = await hub.ask("POST", "/api/tokens", {});
    await hub.ask("DELETE", `/api/tokens/${textIn(revoked, "id")}`);
    const expired = textIn(await hub.ask("POST", "/api/tokens", { ttlMs: 60_000 }), "invitation");
    hub.clock.advance(60_000);
    const forged = textIn(await hub.ask("POST", "/api/tokens", {}), "invitation").replace(
      /_(.)/,
      (_all, first: string) => (first === "0" ? "_1" : "_0"),
    );

    const refusals = [];
    for (const invitation of [used, textIn(revoked, "invitation"), expired, forged]) {
      refusals.push(textIn(await box.ask("POST", "/api/fleet/join", { invitation }), "detail"));
    }

    expect(refusals).toEqual([
      containing("used"),
      containing("not valid"),
      containing("expired"),
      containing("not valid"),
    ]);
    expect((await box.ask("GET", "/api/fleet")).body).toMatchObject({ role: "solo", isRestartDue: false });
    expect(hub.nodes.find(box.id)).toBeUndefined();
  });

  test("again after the answer was lost uses the token no further", async () => {
    const hub = await started("hub");
    const box = await started("gpu1");
    const invitation = textIn(await hub.ask("POST", "/api/tokens", {}), "invitation");
    await box.ask("POST", "/api/fleet/join", { invitation });
    box.secrets.setMembership(undefined); // as a node that was killed before it noted the answer

    const again = await box.ask("POST", "/api/fleet/join", { invitation });

    expect(again.status).toBe(200);
    expect((await hub.ask("GET", "/api/tokens")).body["tokens"]).toMatchObject([{ usesLeft: 0 }]);
  });

  test("is refused while this node has open tasks, unless they are set aside; and while it is in a fleet", async () => {
    const hub = await started("hub");
    const box = await started("gpu1", { parts: { openTasks: async () => ok(3) } });
    const invitation = textIn(await hub.ask("POST", "/api/tokens", {}), "invitation");

    const refused = await box.ask("POST", "/api/fleet/join", { invitation });
    const joined = await box.ask("POST", "/api/fleet/join", { invitation, setAside: true });
    const twice = await box.ask("POST", "/api/fleet/join", { invitation, setAside: true });

    expect(refused).toMatchObject({
      status: 409,
      body: { detail: containing("3 tasks"), remedy: containing("--set-aside") },
    });
    expect(joined).toMatchObject({ status: 200, body: { setAside: true } });
    expect(twice).toMatchObject({ status: 409, body: { remedy: containing("drover leave") } });
  });

  test("is not fooled by another program at the address of the hub", async () => {
    const hub = await started("hub");
    const impostor = await started("impostor");
    const box = await started("gpu1");
    const token = await hub.ask("POST", "/api/tokens", {});
    const invitation = textIn(token, "invitation").replace(hub.url(), impostor.url());
    // It lets everybody in, and says that it is the hub.
    const admit = impostor.fleet().hub;
    if (admit === undefined) throw new Error("an impostor is a hub of its own");
    admit.admit = async () => {
      const key = impostor.secrets.key();
      if (!key.ok) return key;
      const { publicKey } = key.value;
      return ok({ fleet: "f", hub: { id: hub.id, name: "hub", url: hub.url(), publicKey }, role: "member", epoch: 1 });
    };

    const refused = await box.ask("POST", "/api/fleet/join", { invitation });

    expect(refused).toMatchObject({
      status: 400,
      body: { detail: containing("does not answer with the key of the hub") },
    });
    expect((await box.ask("GET", "/api/fleet")).body).toMatchObject({ isRestartDue: false });
  });

  test("under an address that means the node's own host says so when nobody answers there", async () => {
    const hub = await started("hub");
    const box = await started("gpu1");
    const invitation = textIn(await hub.ask("POST", "/api/tokens", {}), "invitation").replace(/:\d+$/, ":1");

    const refused = await box.ask("POST", "/api/fleet/join", { invitation });

    expect(refused).toMatchObject({ status: 503, body: { remedy: containing("http.host") } });
  });

  test("is refused to a release that the fleet does not speak to, with both versions; its token stays good", async () => {
    const hub = await started("hub");
    const invitation = textIn(await hub.ask("POST", "/api/tokens", {}), "invitation");
    await hub.nodes.raiseLevel(FEATURE_LEVEL);
    const release = { version: "0.0.9", featureLevel: FEATURE_LEVEL - 1, oldestFeatureLevel: 1 };
    const older = await started("gpu1", { release });
    const newer = await started("gpu2", { release: { ...release, featureLevel: 99, oldestFeatureLevel: 99 } });

    const refused = await older.ask("POST", "/api/fleet/join", { invitation });
    const tooNew = await newer.ask("POST", "/api/fleet/join", { invitation });

    expect(refused).toMatchObject({
      status: 400,
      body: { detail: containing("gpu1 runs drover 0.0.9"), remedy: containing("drover update") },
    });
    expect(tooNew).toMatchObject({ status: 400, body: { remedy: containing("drover update --fleet") } });
    expect((await hub.ask("GET", "/api/tokens")).body["tokens"]).toMatchObject([{ usesLeft: 1 }]);
  });

  test("with words of a newer release in the request proves the token all the same", async () => {
    const hub = await started("hub");
    const read = readInvitation(textIn(await hub.ask("POST", "/api/tokens", {}), "invitation"));
    if (!read.ok) throw new Error(read.error.message);
    const node = {
      id: makeBox("gpu1").id,
      name: "gpu1",
      publicKey: cryptography.makeKey().publicKey,
      url: null,
      version: "9.9.9",
      featureLevel: FEATURE_LEVEL + 1,
      leaseClass: "strict" as const,
      ofLater: { deep: [1] },
    };
    const request = joinRequest(read.value.token, node, "n".repeat(22), cryptography);

    const answer = await hub.ask("POST", "/api/join", { ...request });

    expect(answer).toMatchObject({ status: 200, body: { role: "member" } });
  });

  test("from a copy of a state folder is refused while the original is in the fleet", async () => {
    const hub = await started("hub");
    const box = await started("gpu1");
    await join(hub, box);
    const token = textIn(await hub.ask("POST", "/api/tokens", {}), "invitation");
    // The id of the original under a key of its own: what a copy has that lost its key.
    const read = readInvitation(token);
    if (!read.ok) throw new Error(read.error.message);
    const node = {
      id: box.id,
      name: "gpu1",
      publicKey: cryptography.makeKey().publicKey,
      url: null,
      version: "1.2.3",
      featureLevel: FEATURE_LEVEL,
      leaseClass: "strict" as const,
    };
    const answer = await hub.fleet().hub?.admit(joinRequest(read.value.token, node, "n".repeat(22), cryptography));

    expect(answer?.ok === false && answer.error.message).toContain("copy");
  });
});

describe("a node of a fleet", () => {
  test("that is an operator makes tokens and changes nodes through its own API; a member may not", async () => {
    const hub = await started("hub");
    const operator = await started("desk");
    const member = await started("gpu1");
    await join(hub, operator, "operator");
    await join(hub, member);
    await operator.start();
    await member.start();

    const made = await operator.ask("POST", "/api/tokens", { role: "reader" });
    const refused = await member.ask("POST", "/api/tokens", {});
    const cordoned = await operator.ask("POST", "/api/nodes/gpu1/cordon");

    expect(made).toMatchObject({ status: 201, body: { role: "reader" } });
    expect(refused).toMatchObject({ status: 403, body: { detail: containing("needs operator") } });
    expect(cordoned).toMatchObject({ status: 200, body: { id: member.id, state: "cordoned" } });
    expect(hub.nodes.find(member.id)?.state).toBe("cordoned");
    expect(hub.nodes.find(operator.id)?.state).toBe("active");
  });

  test("is drained by an operator: it is cordoned once, and the hub says what runs there as long as it does", async () => {
    const row = readyRow(createIdFactory(new MovedClock(), seededRandom(5)).task(), {
      state: "running",
      startedAtMs: 7,
    });
    const running = [row];
    const asked: string[] = [];
    const parts = {
      running: async (node: string) => {
        asked.push(node);
        return ok([...running]);
      },
    };
    const hub = await started("hub", { parts });
    const operator = await started("desk");
    const box = await started("gpu1");
    await join(hub, operator, "operator");
    await join(hub, box);
    await operator.start();

    const first = await operator.ask("POST", "/api/nodes/gpu1/drain");
    running.pop();
    const second = await operator.ask("POST", "/api/nodes/gpu1/drain");
    const unknown = await operator.ask("POST", "/api/nodes/gone/drain");

    const state = { id: box.id, name: "gpu1", state: "cordoned" };
    expect(first).toEqual({ status: 200, body: { ...state, running: [{ taskId: row.id, startedAtMs: 7 }] } });
    expect(second).toEqual({ status: 200, body: { ...state, running: [] } });
    expect(unknown.status).toBe(404);
    expect(asked).toEqual([box.id, box.id]);
    expect(hub.nodes.find(box.id)?.state).toBe("cordoned");
  });

  test("that leaves is believed no more, and may join again with another token", async () => {
    const hub = await started("hub");
    const box = await started("gpu1");
    await join(hub, box);
    const client = clientOf(box);
    expect(whyOf(await askHub(client))).toBe("ok");

    const left = await box.ask("POST", "/api/fleet/leave");

    expect(left).toMatchObject({ status: 200, body: { told: true } });
    expect(whyOf(await askHub(client))).toContain("removed");
    expect((await join(hub, box)).status).toBe(200);
    expect(hub.nodes.find(box.id)?.state).toBe("active");
  });

  test("leaves a hub that does not answer only when it is forced to", async () => {
    const hub = await started("hub");
    const box = await started("gpu1");
    await join(hub, box);
    await hub.stop();

    const refused = await box.ask("POST", "/api/fleet/leave");
    const forced = await box.ask("POST", "/api/fleet/leave", { force: true });

    expect(refused).toMatchObject({ status: 503, body: { remedy: containing("--force") } });
    expect(forced).toMatchObject({ status: 200, body: { told: false } });
  });

  test("takes another key, and the old one is believed no more", async () => {
    const hub = await started("hub");
    const box = await started("gpu1");
    await join(hub, box);
    await box.start();
    const old = box.secrets.key();
    const before = clientOf(box, { key: () => (old.ok ? old.value : cryptography.makeKey()) });

    const changed = await box.ask("POST", "/api/fleet/rotate-key");

    expect(changed.status).toBe(200);
    expect(hub.nodes.find(box.id)?.publicKey).toBe(textIn(changed, "publicKey"));
    expect(whyOf(await askHub(before))).toContain("signature does not fit");
    expect(whyOf(await askHub(clientOf(box)))).toBe("ok");
  });

  test("finishes a change of its key whose answer was lost", async () => {
    const hub = await started("hub");
    const box = await started("gpu1");
    await join(hub, box);
    const next = box.secrets.nextKey();
    await hub.nodes.setKey(box.id, hub.nodes.find(box.id)?.publicKey ?? "", next.ok ? next.value.publicKey : "");

    const changed = await box.ask("POST", "/api/fleet/rotate-key");

    expect(changed).toMatchObject({ status: 200, body: { publicKey: next.ok ? next.value.publicKey : "" } });
    expect(whyOf(await askHub(clientOf(box)))).toBe("ok");
  });

  test("follows the hub's new key, once, and keeps it", async () => {
    const hub = await started("hub");
    const box = await started("gpu1");
    await join(hub, box);
    await box.start();
    const pinned = membershipOf(box).hub.publicKey;

    const changed = await hub.ask("POST", "/api/fleet/rotate-key");
    const client = box.fleet().client;
    const asked = client === undefined ? "no client" : whyOf(await askHub(client));

    expect(changed.status).toBe(200);
    expect(textIn(changed, "publicKey")).not.toBe(pinned);
    expect(asked).toBe("ok");
    expect(membershipOf(box).hub.publicKey).toBe(textIn(changed, "publicKey"));
  });

  test("is told to restart when the hub hears of it next; the hub itself has no watchdog here", async () => {
    const hub = await started("hub");
    const box = await started("gpu1");
    await join(hub, box);

    const ordered = await hub.ask("POST", "/api/nodes/gpu1/restart");
    const unknown = await hub.ask("POST", "/api/nodes/gpu9/restart");
    const self = await hub.ask("POST", "/api/nodes/hub/restart");

    expect(ordered.status).toBe(202);
    expect(hub.fleet().orders.due(box.id, [], hub.clock.monotonicMs())).toMatchObject([{ kind: "restart" }]);
    expect(unknown.status).toBe(404);
    expect(self.status).toBe(422);
  });
});
