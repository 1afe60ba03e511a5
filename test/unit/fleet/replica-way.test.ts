import { afterEach, describe, expect, test } from "vitest";
import type { JsonObject } from "#base";
import type { HubClient } from "#fleet";
import { type Box, clientOf, join, makeBox } from "./fleet-world.ts";

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

describe("the way of a replica through the hub", () => {
  type Seen = {
    readonly path: string;
    readonly authorization: string | null;
    readonly body: string;
    readonly signed: boolean;
  };

  /** Stands in for the libSQL server: answers in two parts, the second one when it is told to. */
  async function withServer(): Promise<{ hub: Box; box: Box; client: HubClient; seen: Seen[]; go: () => void }> {
    const seen: Seen[] = [];
    const gate = Promise.withResolvers<void>();
    const url = stranger(async (request) => {
      seen.push({
        path: new URL(request.url).pathname,
        authorization: request.headers.get("authorization"),
        body: await request.text(),
        signed: request.headers.has("x-drover-signature"),
      });
      const stream = new ReadableStream<Uint8Array>({
        start: async (controller) => {
          controller.enqueue(new TextEncoder().encode("first "));
          await gate.promise;
          controller.enqueue(new TextEncoder().encode("second"));
          controller.close();
        },
      });
      return new Response(stream, { headers: { "content-type": "application/grpc-web" } });
    });
    const hub = await started("hub", { parts: { replica: (role) => ({ url, token: `jwt-of-${role}` }) } });
    const box = await started("gpu1");
    await join(hub, box);
    return { hub, box, client: clientOf(box), seen, go: gate.resolve };
  }

  const ask = (client: HubClient, path: string, body?: string): Promise<Response> =>
    client.carry(new Request(`http://127.0.0.1${path}`, body === undefined ? {} : { method: "POST", body }));

  test("streams, with the server's own token and without the node's signature", async () => {
    const { client, seen, go } = await withServer();

    const answer = await ask(client, "/wal_log.ReplicationLog/LogEntries", "frames from 7");
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader(); // `as`: it has a body
    const first = new TextDecoder().decode((await reader.read()).value);
    go();
    const second = new TextDecoder().decode((await reader.read()).value);

    expect(answer.headers.get("content-type")).toBe("application/grpc-web");
    expect([first, second]).toEqual(["first ", "second"]);
    expect(seen).toEqual([
      {
        path: "/wal_log.ReplicationLog/LogEntries",
        authorization: "Bearer jwt-of-member",
        body: "frames from 7",
        signed: false,
      },
    ]);
  });

  test("passes on nothing but what a replica reads", async () => {
    const { client, seen, go } = await withServer();
    go();

    for (const path of ["/v2/pipeline", "/proxy.Proxy/Execute", "/wal_log.ReplicationLog/../v2/pipeline", "/"]) {
      expect((await ask(client, path, "{}")).status).toBe(404);
    }
    expect(seen).toEqual([]);
  });

  test("is closed to a node that was removed, and what it has open is cut", async () => {
    const { hub, client } = await withServer();
    const answer = await ask(client, "/info");
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader(); // `as`: it has a body
    await reader.read();

    await hub.ask("DELETE", "/api/nodes/gpu1");
    const rest = await reader.read().then(
      ({ done }) => (done ? "ended" : "went on"),
      () => "cut",
    );
    const again = await ask(client, "/info");

    expect(rest).not.toBe("went on");
    expect(again.status).toBe(401);
    expect(await again.json()).toMatchObject({ why: "removed" } satisfies JsonObject);
  });

  test("is none where the node has no libSQL server, and says so", async () => {
    const hub = await started("hub");
    const box = await started("gpu1");
    await join(hub, box);

    expect((await ask(clientOf(box), "/info")).status).toBe(421);
  });

  test("stays open to others while eight streams of one node are open, and takes no ninth", async () => {
    const { hub, client, go } = await withServer();
    const other = await started("gpu2");
    await join(hub, other);
    const open = await Promise.all(Array.from({ length: 8 }, () => ask(client, "/info")));

    const ninth = await ask(client, "/info");
    const others = await ask(clientOf(other), "/info");
    go();
    for (const one of open) await one.text();
    const later = await ask(client, "/info");

    expect(open.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(ninth.status).toBe(429);
    expect(others.status).toBe(200);
    expect(later.status).toBe(200);
  });
});
