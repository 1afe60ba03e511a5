import { afterEach, describe, expect, test } from "vitest";
import { MAX_COMMANDS_BYTES, MAX_REQUEST_BYTES, MAX_SUBMISSION_BYTES, seededRandom } from "#base";
import { cryptography, type HubClient, nonceMaker, signRequest } from "#fleet";
import { containing, valueOf } from "../api/api-harness.ts";
import {
  type Answer,
  answerOf,
  askHub,
  type Box,
  clientOf,
  join,
  LIMITS,
  MovedClock,
  makeBox,
  membershipOf,
  whyOf,
} from "./fleet-world.ts";

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function started(name: string, options: Parameters<typeof makeBox>[1] = {}): Promise<Box> {
  const box = makeBox(name, options);
  cleanUps.push(() => box.stop());
  await box.start();
  return box;
}

/** A program that answers at an address as it likes. */
function stranger(answer: (request: Request) => Response | Promise<Response>): string {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", idleTimeout: 0, fetch: answer });
  cleanUps.push(() => server.stop(true));
  return server.url.origin;
}

async function fleetOfTwo(
  clock?: MovedClock,
): Promise<{ readonly hub: Box; readonly box: Box; readonly client: HubClient }> {
  const hub = await started("hub");
  const box = await started("gpu1", clock === undefined ? {} : { clock });
  await join(hub, box);
  return { hub, box, client: clientOf(box) };
}

/** All of one process: another one with the same key would be a twin. */
const oneProcess = nonceMaker(seededRandom(77));

/** A client whose hub is said to be at another address. */
function clientAt(box: Box, url: string): HubClient {
  return clientOf(box, { hub: { ...membershipOf(box).hub, url } });
}

describe("a node's client of its hub", () => {
  test.each([7_200_000, -7_200_000])(
    "is understood with a clock that is %i ms wrong, and when it jumps",
    async (wrongMs) => {
      const clock = new MovedClock(1_700_000_000_000 + wrongMs);
      const { client } = await fleetOfTwo(clock);

      expect(whyOf(await askHub(client))).toBe("ok");
      expect(Math.round((client.clockOffsetMs ?? 0) / 1_000)).toBe(-wrongMs / 1_000);
      clock.jumpWall(86_400_000);
      expect(whyOf(await askHub(client))).toBe("ok");
    },
  );

  test("is understood when the hub's clock was set while nobody asked", async () => {
    const { hub, client } = await fleetOfTwo();
    expect(whyOf(await askHub(client))).toBe("ok");

    hub.clock.advance(3_600_000); // an hour that this node has not counted

    expect(whyOf(await askHub(client))).toBe("ok");
  });

  test("goes on with a hub that was started anew, under its new session", async () => {
    const { hub, client } = await fleetOfTwo();
    expect(whyOf(await askHub(client))).toBe("ok");

    await hub.start();

    expect(whyOf(await askHub(client))).toBe("ok");
  });

  test("goes on with a hub that is replaced between two tries of one request", async () => {
    const { hub, box } = await fleetOfTwo();
    let calls = 0;
    const client = clientOf(box, {
      fetch: async (url, { method, headers }) => {
        calls += 1;
        if (calls === 2) await hub.start();
        return fetch(url, { method, headers });
      },
    });

    expect(whyOf(await askHub(client))).toBe("ok");
    expect(calls).toBe(3);
  });

  test("says whose word the hub does not take, with a code that is not that of a wrong bearer token", async () => {
    const { hub, client } = await fleetOfTwo();
    await hub.ask("DELETE", "/api/nodes/gpu1");

    const asked = await askHub(client);

    expect(asked).toMatchObject({
      ok: false,
      error: { kind: "refused", code: "conflict", message: containing("was removed") },
    });
  });

  test("believes no answer without the hub's signature, nor one that was changed on its way", async () => {
    const { hub, box } = await fleetOfTwo();
    const unsigned = stranger(() => Response.json({ epoch: 9, hub: null }));
    const changing = stranger(async (request) => {
      const { pathname } = new URL(request.url);
      const answer = await fetch(`${hub.url()}${pathname}`, { headers: request.headers });
      const text = await answer.text();
      return new Response(text.replace('"epoch":1', '"epoch":2'), { status: answer.status, headers: answer.headers });
    });
    const passing = stranger((request) =>
      fetch(`${hub.url()}${new URL(request.url).pathname}`, { headers: request.headers }),
    );

    expect(whyOf(await askHub(clientAt(box, unsigned)))).toContain("without the signature");
    expect(whyOf(await askHub(clientAt(box, changing)))).toContain("without the signature");
    expect(whyOf(await askHub(clientAt(box, passing)))).toBe("ok");
  });

  test("follows no redirect, and reads no answer without end", async () => {
    const { hub, box } = await fleetOfTwo();
    const elsewhere = stranger(() => Response.redirect(`${hub.url()}/api/fleet/hub`, 307));
    const endless = stranger(
      () => new Response(new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1_048_576)) })),
    );

    expect(whyOf(await askHub(clientAt(box, elsewhere)))).toContain("elsewhere");
    expect(whyOf(await askHub(clientAt(box, endless)))).toContain("longer than");
  });

  test("gives up at its deadline, and when it is told to", async () => {
    const { box } = await fleetOfTwo();
    const silent = stranger(() => new Promise<Response>(() => undefined));
    const stop = new AbortController();
    const client = clientAt(box, silent);
    const asked = client.request("GET", "/api/fleet/hub", undefined, { deadlineMs: 60_000, signal: stop.signal });
    stop.abort();

    expect(whyOf(await client.request("GET", "/api/fleet/hub", undefined, { deadlineMs: 20 }))).toContain(
      "did not answer",
    );
    expect(whyOf(await asked)).toContain("given up");
  });

  test("follows a node that says who the hub is to a hub that it knows, under the key that it knows, and to no other", async () => {
    const hub = await started("hub");
    const box = await started("gpu1");
    const other = await started("gpu2");
    for (const one of [box, other]) await join(hub, one);
    await other.start();
    // As its replica has it: the members and their keys.
    for (const node of hub.nodes.all()) await other.nodes.put(node);
    const named = {
      ...membershipOf(other).hub,
      id: other.id,
      name: "gpu2",
      url: other.url(),
      publicKey: hub.nodes.find(other.id)?.publicKey ?? "",
    };
    const adopted: string[] = [];
    const options = { hub: named, onHub: ({ name }: { readonly name: string }) => adopted.push(name) };
    const wrongKey = { ...membershipOf(box).hub, publicKey: cryptography.makeKey().publicKey };

    const known = await askHub(clientOf(box, { ...options, peers: () => [membershipOf(box).hub] }));
    const unknown = await askHub(clientOf(box, { hub: named, peers: () => [] }));
    const notProved = await askHub(clientOf(box, { hub: named, peers: () => [wrongKey] }));
    const client = clientOf(box, { ...options, peers: () => [membershipOf(box).hub] });
    const left = await client.request("POST", "/api/fleet/departed", undefined, LIMITS);
    const lost = await clientOf(other, { hub: named, peers: () => [] }).request(
      "POST",
      "/api/fleet/departed",
      undefined,
      LIMITS,
    );

    // Every node may say who the hub is; only what the hub alone does is passed on to it.
    expect(whyOf(known)).toBe("ok");
    expect(whyOf(unknown)).toBe("ok");
    expect(whyOf(notProved)).toBe("ok");
    expect(whyOf(left)).toBe("ok");
    expect(adopted).toEqual(["hub"]);
    expect(hub.nodes.find(box.id)?.state).toBe("removed");
    expect(whyOf(lost)).toContain("no hub");
    expect(hub.nodes.find(other.id)?.state).toBe("active");
  });

  test("that copies another's key is told from it: the one that was there before is refused", async () => {
    const { box, client } = await fleetOfTwo();
    const twin = clientOf(box);

    expect(whyOf(await askHub(client))).toBe("ok");
    expect(whyOf(await askHub(twin))).toBe("ok");
    expect(whyOf(await askHub(client))).toContain("copied");
  });
});

describe("the hub's paths for nodes", () => {
  /** A request that is signed rightly, but for what `change` does to it. */
  async function send(
    hub: Box,
    box: Box,
    request: { readonly method: string; readonly path: string; readonly body?: string },
    change: { readonly body?: string; readonly headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const { gate } = hub.fleet();
    const body = request.body ?? "";
    const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString("base64url");
    const signed = signRequest(
      { method: request.method, target: request.path, body, timeMs: gate.nowMs(), nonce, session: gate.session },
      { fleet: membershipOf(box).fleet, node: box.id, privateKey: valueOf(box.secrets.key()).privateKey },
      cryptography,
    );
    const sent = change.body ?? body;
    return answerOf(
      await fetch(`${hub.url()}${request.path}`, {
        method: request.method,
        headers: { ...signed, ...(body === "" ? {} : { "content-type": "application/json" }), ...change.headers },
        ...(sent === "" ? {} : { body: sent }),
      }),
    );
  }

  test("take a signed request under whatever name the hub is reached, and refuse it with another body", async () => {
    const { hub, box } = await fleetOfTwo();
    const request = { method: "POST", path: "/api/fleet/key", body: '{"from":"a","to":"b","signature":"c"}' };

    const read = await send(hub, box, request, { headers: { host: "hub.lan:7433" } });
    const altered = await send(hub, box, request, { body: '{"from":"a","to":"b","signature":"d"}' });
    const bearer = await fetch(`${hub.url()}/api/tasks`, {
      headers: { host: "hub.lan:7433", authorization: "Bearer drv_a-token-of-the-tests" },
    });

    expect(read).toMatchObject({ status: 400, body: { code: "invalid" } });
    expect(altered).toMatchObject({ status: 401, body: { why: "bad_signature" } });
    expect(bearer.status).toBe(403);
  });

  test("are closed to the bearer of the token where they are for nodes, and the others to nodes", async () => {
    const { hub, box } = await fleetOfTwo();

    const asPerson = await hub.ask("GET", "/api/fleet/hub");
    const asNode = await send(hub, box, { method: "GET", path: "/api/tasks" });
    const asNobody = await answerOf(await fetch(`${hub.url()}/api/fleet/hub`));

    expect(asPerson).toMatchObject({ status: 403, body: { detail: containing("for the nodes of the fleet") } });
    expect(asNode).toMatchObject({ status: 401, body: { code: "unauthorized" } });
    expect(asNobody.status).toBe(401);
  });

  test("need the role that the fleet has given", async () => {
    const hub = await started("hub");
    const reader = await started("screen");
    await join(hub, reader, "reader");

    const follows = await send(hub, reader, { method: "GET", path: "/api/fleet/hub" });
    const works = await send(hub, reader, { method: "POST", path: "/api/commands", body: "{}" });
    const manages = await send(hub, reader, { method: "DELETE", path: "/api/nodes/hub" });

    expect(follows.status).toBe(200);
    expect(works).toMatchObject({ status: 403, body: { detail: containing("needs member") } });
    expect(manages).toMatchObject({ status: 403, body: { detail: containing("needs operator") } });
  });

  test("refuse a body that is too large before they believe anything, and strangers before they read any", async () => {
    const { hub, box } = await fleetOfTwo();
    const body = "x".repeat(65_537);

    const large = await send(hub, box, { method: "POST", path: "/api/fleet/replica/info", body });
    const unknown = await send(
      hub,
      box,
      { method: "POST", path: "/api/fleet/replica/info", body },
      { headers: { "x-drover-node": hub.id.replace(/.$/, "0") } },
    );

    expect(large.status).toBe(413);
    expect(unknown.status).toBe(401);
  });

  test("take as one command what one submission of the greatest size has become on the node that accepted it", async () => {
    const { hub, box } = await fleetOfTwo();
    // Each quote is escaped in the text of the task, and that text in the command.
    const prompt = JSON.stringify({ prompt: '"'.repeat(MAX_SUBMISSION_BYTES / 2 - 20) });
    const tasks = Array.from({ length: MAX_REQUEST_BYTES / MAX_SUBMISSION_BYTES }, () => ({ body: prompt }));
    const body = JSON.stringify({ commands: [{ kind: "submit", args: { tasks } }] });
    const longer = JSON.stringify({ commands: ["x".repeat(MAX_COMMANDS_BYTES)] });

    const taken = await send(hub, box, { method: "POST", path: "/api/commands", body });
    const refused = await send(hub, box, { method: "POST", path: "/api/commands", body: longer });

    expect(body.length).toBeGreaterThan(1.9 * MAX_REQUEST_BYTES);
    // It was read to its end: what it lacks is an id.
    expect(taken).toMatchObject({ status: 400, body: { detail: containing("id") } });
    expect(refused.status).toBe(413);
  });

  test("let sixty nodes behind one address find out that the hub was started anew", async () => {
    const { box } = await fleetOfTwo();

    // Each is a process that knows the session of no hub yet, and is refused once for it.
    const answers = await Promise.all(Array.from({ length: 60 }, () => askHub(clientOf(box, { nonce: oneProcess }))));

    expect(answers.map(whyOf).filter((why) => why !== "ok")).toEqual([]);
  });

  test("let a stranger try to join some twenty times and then ask it to wait", async () => {
    const hub = await started("hub");
    const statuses: number[] = [];
    while (statuses.at(-1) !== 429 && statuses.length < 100) {
      statuses.push((await fetch(`${hub.url()}/api/join`, { method: "POST", body: "{}" })).status);
    }

    expect(statuses.at(-1)).toBe(429);
    expect(statuses.length).toBeLessThan(40);
  });
});
