import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type HttpServer, serveApi } from "#api";
import { type Clock, silentLogger } from "#base";
import { anyText, createHarness, type Harness, type HarnessOptions, submit, TOKEN, valueOf } from "./api-harness.ts";

/** A clock that runs, for what the kernel and the server do in their own time. */
const runningClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function serve(options: HarnessOptions = {}): Promise<{ harness: Harness; server: HttpServer }> {
  const harness = createHarness(options);
  const server = valueOf(await serveApi(harness.api, { host: "127.0.0.1", port: 0, logger: silentLogger }));
  cleanUps.push(() => server.stop({ graceMs: 0 }));
  return { harness, server };
}

type Frame = { readonly event: string; readonly id: string | undefined; readonly data: unknown };

/** Reads frames of a stream until `enough` says so or it ends. */
async function readFrames(
  response: Response,
  enough: (frames: readonly Frame[]) => boolean,
): Promise<readonly Frame[]> {
  const frames: Frame[] = [];
  let text = "";
  const decoder = new TextDecoder();
  // `as`: the body of an answer is a stream of bytes.
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    const parts = text.split("\n\n");
    text = parts.pop() ?? "";
    for (const part of parts) {
      const fields = new Map(
        part.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
      );
      const event = fields.get("event");
      if (event !== undefined)
        frames.push({ event, id: fields.get("id"), data: JSON.parse(fields.get("data") ?? "null") });
    }
    if (enough(frames)) break;
  }
  return frames;
}

function openStream(server: HttpServer, query = "", headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${server.url}/api/events${query}`, {
    headers: { authorization: `Bearer ${TOKEN}`, accept: "text/event-stream", ...headers },
  });
}

function openSocket(server: HttpServer): Socket {
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => undefined);
  cleanUps.push(() => socket.destroy());
  return socket;
}

/** Collects what a socket receives until it matches, or the other end closes. */
function received(socket: Socket, pattern: RegExp): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (pattern.test(text)) resolve(text);
    });
    socket.on("close", () => resolve(text));
  });
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error("the condition did not come true within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("the event stream", () => {
  it("sends what was missed, then what happens, and resumes behind the last event that was seen", async () => {
    const { harness, server } = await serve();
    await submit(harness);
    await harness.work();

    const first = await openStream(server, "?after=0");
    const missed = readFrames(first, (frames) => frames.length >= 5);
    await until(() => harness.store.eventRange().then((range) => valueOf(range).lastSeq === 3));
    const id = await submit(harness, { title: "later" });
    await harness.queue.cancel(id, "enough");
    const seen = await missed;
    const resumed = await openStream(server, "", { "last-event-id": "3" });
    const rest = await readFrames(resumed, (frames) => frames.length >= 2);

    expect(first.headers.get("content-type")).toBe("text/event-stream");
    expect(seen.map(({ event, id: seq }) => `${seq} ${event}`)).toEqual([
      "1 task.submitted",
      "2 task.started",
      "3 task.done",
      "4 task.submitted",
      "5 task.cancelled",
    ]);
    expect(rest.map(({ id: seq }) => seq)).toEqual(["4", "5"]);
    expect(rest[1]?.data).toMatchObject({ seq: 5, taskId: id, kind: "task.cancelled" });
  });

  it("begins with what happens next, or with as many of the latest as were asked for", async () => {
    const { harness, server } = await serve();
    for (let count = 0; count < 5; count += 1) await submit(harness);

    const live = await openStream(server);
    const tail = await openStream(server, "?tail=2");
    const liveFrames = readFrames(live, (frames) => frames.length >= 1);
    const tailFrames = readFrames(tail, (frames) => frames.length >= 3);
    await until(async () => (await (await harness.send("GET", "/metrics")).text()).includes("drover_event_streams 2"));
    await submit(harness);

    expect((await liveFrames).map(({ id }) => id)).toEqual(["6"]);
    expect((await tailFrames).map(({ id }) => id)).toEqual(["4", "5", "6"]);
  });

  it("names the range that is no longer kept", async () => {
    const { harness, server } = await serve();
    for (let count = 0; count < 4; count += 1) await submit(harness);
    harness.clock.advance(10);
    await submit(harness);
    const nowMs = harness.clock.nowMs();
    await harness.store.prune(
      { endedTasksMs: 0, deadLettersMs: 0, eventsMs: nowMs, idempotencyMs: 0, commandsMs: 0 },
      100,
    );

    const pruned = await readFrames(await openStream(server, "?after=1"), (frames) => frames.length >= 2);
    const ahead = await readFrames(await openStream(server, "?after=900"), (frames) => frames.length >= 1);

    expect(pruned[0]).toEqual({ event: "gap", id: undefined, data: { fromSeq: 2, toSeq: 4, reason: "pruned" } });
    expect(pruned[1]).toMatchObject({ id: "5" });
    expect(ahead[0]).toMatchObject({ event: "gap", data: { fromSeq: 6, toSeq: 900, reason: "reset" } });
  });

  it("loses and repeats nothing while many events happen during the catch-up", async () => {
    const { harness, server } = await serve();
    for (let count = 0; count < 700; count += 1) await submit(harness);

    const reading = readFrames(await openStream(server, "?after=0"), (frames) => frames.length >= 1_400);
    for (let count = 0; count < 700; count += 1) await submit(harness);
    const frames = await reading;

    expect(frames.map(({ id }) => Number(id))).toEqual(Array.from({ length: 1_400 }, (_unused, index) => index + 1));
  });

  it("sends a slow client away with a last frame that says where to resume", async () => {
    const { harness, server } = await serve({
      api: { streamLimits: { maxWaitingEvents: 50, maxWaitingChars: 64 * 1024, maxStalledMs: 30_000 } },
    });
    const socket = openSocket(server);
    const request = `GET /api/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nAccept: text/event-stream\r\n\r\n`;
    socket.write(request);
    const begun = received(socket, /retry: 1000/);
    await begun;
    socket.pause();
    const openStreams = async (): Promise<string> =>
      /drover_event_streams (\d+)/.exec(await (await harness.send("GET", "/metrics")).text())?.[1] ?? "";
    expect(await openStreams()).toBe("1");

    for (let round = 0; round < 400 && (await openStreams()) === "1"; round += 1) {
      await harness.send(
        "POST",
        "/api/tasks",
        Array.from({ length: 200 }, () => ({ title: "noise", command: ["true"] })),
      );
    }
    const afterwards = received(socket, /event: end/);
    socket.resume();
    const text = await afterwards;

    expect(await openStreams()).toBe("0");
    const end = /event: end\ndata: (\{.*\})/.exec(text)?.[1] ?? "{}";
    const { reason, resumeAfter } = JSON.parse(end) as { reason: string; resumeAfter: number };
    const lastSeen = Math.max(...[...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1])));
    expect(reason).toBe("slow");
    expect(resumeAfter).toBe(lastSeen);
    expect(resumeAfter).toBeLessThan(valueOf(await harness.store.eventRange()).lastSeq);
  });

  it("sends a sign of life every five seconds", async () => {
    const { harness, server } = await serve();
    const socket = openSocket(server);
    socket.write(
      `GET /api/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nAccept: text/event-stream\r\n\r\n`,
    );
    await received(socket, /retry: 1000/);

    const alive = received(socket, /: still here/);
    harness.clock.advance(5_000);

    expect(await alive).toContain(": still here\n\n");
  });

  it("refuses a Last-Event-ID it did not give", async () => {
    const { server } = await serve();

    expect((await openStream(server, "", { "last-event-id": "abc" })).status).toBe(400);
  });
});

describe("the server", () => {
  it("stops with a last frame on every stream and an answer to every request that was in progress", async () => {
    const gate = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    const { harness, server } = await serve({
      ports: {
        clock: runningClock,
        storage: async () => {
          reached.resolve();
          await gate.promise;
          return { ok: true, value: { fleetDbBytes: 1, nodeDbBytes: 1, freeDiskBytes: 1 } };
        },
      },
    });
    const stream = readFrames(await openStream(server), (frames) => frames.length >= 1);
    const inProgress = fetch(`${server.url}/api/node`, { headers: { authorization: `Bearer ${TOKEN}` } });
    await reached.promise;
    await until(async () => (await (await harness.send("GET", "/metrics")).text()).includes("drover_event_streams 1"));

    const stopped = server.stop({ graceMs: 5_000 });
    const frames = await stream;
    gate.resolve();

    expect(frames).toMatchObject([{ event: "end", data: { reason: "shutdown", resumeAfter: 0 } }]);
    expect((await inProgress).status).toBe(200);
    expect(await stopped).toBe(true);
    await expect(fetch(`${server.url}/health/live`)).rejects.toThrow(/connect|ECONNREFUSED/i);
  });

  it("cuts a request that does not end within the time given", async () => {
    const reached = Promise.withResolvers<void>();
    const storage = (): Promise<never> => {
      reached.resolve();
      return new Promise(() => undefined);
    };
    const { server } = await serve({ ports: { clock: runningClock, storage } });
    const stuck = fetch(`${server.url}/api/node`, { headers: { authorization: `Bearer ${TOKEN}` } }).then(
      () => "answered",
      () => "cut",
    );
    await reached.promise;

    const isClean = await server.stop({ graceMs: 50 });

    expect(isClean).toBe(false);
    expect(await stuck).toBe("cut");
  });

  it("says what to do when its port is taken", async () => {
    const { api } = createHarness();
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    cleanUps.push(() => other.close());
    const address = other.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;

    const second = await serveApi(api, { host: "127.0.0.1", port, logger: silentLogger });

    expect(second).toMatchObject({
      ok: false,
      error: { code: "in_use", message: `another program listens on 127.0.0.1:${port}`, remedy: anyText },
    });
  });

  it("refuses a body in chunks at its limit, while it is still sent", async () => {
    const { harness, server } = await serve();
    const socket = openSocket(server);
    const answer = received(socket, /too_large/);
    socket.write(
      `POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
    );
    const block = `${(65_536).toString(16)}\r\n${" ".repeat(65_536)}\r\n`;

    for (let count = 0; count < 80 && !socket.destroyed; count += 1) {
      if (!socket.write(block)) await new Promise((resolve) => socket.once("drain", resolve).once("close", resolve));
    }

    expect(await answer).toContain("413");
    expect(valueOf(await harness.store.eventRange()).lastSeq).toBe(0);
  });

  it("refuses a length that is too long before the body comes", async () => {
    const { server } = await serve();
    const socket = openSocket(server);
    const answer = received(socket, /too_large|413/);

    socket.write(
      `POST /api/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 5000000\r\n\r\n{`,
    );

    expect(await answer).toContain("413");
  });

  it("answers under loopback names and not under others that point at it", async () => {
    const { server } = await serve();
    const socket = openSocket(server);
    const answer = received(socket, /\r\n\r\n/);

    socket.write("GET /health/live HTTP/1.1\r\nHost: rebound.example\r\n\r\n");

    expect(await answer).toContain("403 Forbidden");
  });

  it("serves many at once under the address it says", async () => {
    const { harness, server } = await serve();

    const answers = await Promise.all(
      Array.from({ length: 50 }, (_unused, index) =>
        fetch(`${server.url}/api/tasks`, {
          method: "POST",
          headers: {
            authorization: `Bearer ${TOKEN}`,
            "content-type": "application/json",
            "idempotency-key": `k${index % 10}`,
          },
          body: JSON.stringify({ title: `task ${index % 10}`, command: ["true"] }),
        }),
      ),
    );

    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(10);
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(40);
    expect(valueOf(await harness.store.lanes())[2]?.counts.ready).toBe(10);
  });
});
