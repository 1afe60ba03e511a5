import { afterEach, describe, expect, it } from "vitest";
import { seededRandom } from "#base";
import { type Carrier, type Carry, startCarrier } from "../../../../src/store/replica/carrier.ts";
import { must } from "../../../support/opened-stores.ts";

const SILENCE_MS = 100;
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

function started(carry: Carry): Carrier {
  const carrier = must(startCarrier(carry, seededRandom(1), SILENCE_MS));
  ends.push(() => carrier.stop());
  return carrier;
}

const ask = (carrier: Carrier, path: string, token = carrier.token): Promise<Response> =>
  fetch(`${carrier.url}${path}`, { method: "POST", body: "frames", headers: { "x-authorization": `Bearer ${token}` } });

const FRAMES = "/wal_log.ReplicationLog/BatchLogEntries";
const HELLO = "/wal_log.ReplicationLog/Hello";
const greeting = (log: string): Response => new Response(`....\u001a$${log}`);
const LOGS = ["11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"] as const;

describe("the carrier of a replica", () => {
  it("K1: takes nothing without its token, and no path but those of a replica", async () => {
    const carried: string[] = [];
    const carrier = started(async (request) => {
      carried.push(`${new URL(request.url).pathname} ${await request.text()}`);
      return new Response("frames back");
    });

    const statuses: number[] = [];
    for (const [path, token] of [
      [FRAMES, "guess"],
      [FRAMES, ""],
      ["/info", undefined],
      ["/v2/pipeline", undefined],
      ["/proxy.Proxy/Execute", undefined],
      ["/wal_log.ReplicationLog/../v2/pipeline", undefined],
    ] as const) {
      statuses.push((await ask(carrier, path, token)).status);
    }
    const answer = await ask(carrier, FRAMES);

    expect(statuses).toEqual([401, 401, 404, 404, 404, 404]);
    expect(await answer.text()).toBe("frames back");
    expect(carried).toEqual([`${FRAMES} frames`]);
  });

  it("K2: gives up a hub that does not answer, also when the way to it does not listen to its signal", async () => {
    const carrier = started(() => new Promise<Response>(() => undefined));

    const answer = await ask(carrier, FRAMES);

    expect([answer.status, await answer.text()]).toEqual([503, ""]);
    expect(carrier.failures()).toBe(1);
  });

  it("K2: gives up an answer that stops in its middle", async () => {
    const body = new ReadableStream<Uint8Array>({ start: (part) => part.enqueue(new TextEncoder().encode("half")) });
    const carrier = started(() => Promise.resolve(new Response(body)));

    const read = await ask(carrier, FRAMES)
      .then((answer) => answer.text())
      .then(String, () => "broken");

    expect(read).toBe("broken");
    expect(carrier.failures()).toBe(1);
  });

  it("K3: lets through the greeting of the copy's own log alone, and says whose it held back", async () => {
    let log: string = LOGS[0];
    const carrier = started(() => Promise.resolve(greeting(log)));

    carrier.begin(LOGS[0]);
    const own = await ask(carrier, HELLO);
    log = LOGS[1];
    const other = await ask(carrier, HELLO);
    const held = carrier.otherLog();
    carrier.begin(undefined);
    const any = await ask(carrier, HELLO);

    expect([own.status, other.status, any.status]).toEqual([200, 503, 200]);
    expect([held, carrier.otherLog()]).toEqual([LOGS[1], undefined]);
  });

  it("K4: asks a hub that did not answer once in a sync, and again in the next", async () => {
    let asked = 0;
    const carrier = started(() => {
      asked += 1;
      return Promise.resolve(new Response("try later", { status: 502 }));
    });

    carrier.begin(undefined);
    for (let n = 0; n < 3; n += 1) await ask(carrier, FRAMES);
    const inFirst = asked;
    carrier.begin(undefined);
    await ask(carrier, FRAMES);

    expect([inFirst, asked]).toEqual([1, 2]);
  });

  it("hides from the binding what a hub says in its own words: a text would be printed as a broken frame", async () => {
    const carrier = started(() => Promise.resolve(Response.json({ title: "not the hub" }, { status: 421 })));

    const answer = await ask(carrier, FRAMES);

    expect([answer.status, await answer.text()]).toEqual([503, ""]);
  });

  it("asks by itself whether the hub is there, and as whom", async () => {
    const hub = { status: 200, log: LOGS[0] as string };
    const carrier = started(async (request) => {
      const frame = Buffer.from(await request.arrayBuffer()).toString("hex");
      const isAsked = new URL(request.url).pathname === HELLO && frame === "0000000000";
      return isAsked && hub.status === 200 ? greeting(hub.log) : new Response(null, { status: 502 });
    });

    carrier.begin(LOGS[0]);
    const there = await carrier.reach();
    const own = carrier.otherLog();
    hub.log = LOGS[1];
    const stillThere = await carrier.reach();
    const other = carrier.otherLog();
    hub.status = 502;
    const away = await carrier.reach();

    expect([there, own, stillThere, other, away]).toEqual([true, undefined, true, LOGS[1], false]);
  });

  it("ends what is under way when it is to refuse", async () => {
    const begun = Promise.withResolvers<void>();
    const carrier = must(
      startCarrier(() => {
        begun.resolve();
        return new Promise<Response>(() => undefined);
      }, seededRandom(1)),
    );
    ends.push(() => carrier.stop());
    const answer = ask(carrier, FRAMES);
    await begun.promise;

    carrier.refuse();

    expect((await answer).status).toBe(503);
    expect((await ask(carrier, FRAMES)).status).toBe(503);
  });
});
