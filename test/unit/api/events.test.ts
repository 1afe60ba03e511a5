import { describe, expect, it } from "vitest";
import { silentLogger } from "#base";
import type { QueueStore } from "#queue";
import { controlFrame, eventFrame, planStream } from "../../../src/api/event-frames.ts";
import { EventStreams } from "../../../src/api/event-streams.ts";
import { wantsStream } from "../../../src/api/routes/events.ts";
import { bodyOf, createHarness, submit } from "./api-harness.ts";

describe("where a stream begins", () => {
  const kept = { firstSeq: 10, lastSeq: 20 };

  it.each([
    ["nothing is asked for", undefined, kept, 20, undefined],
    ["everything was seen", 20, kept, 20, undefined],
    ["some was missed", 15, kept, 15, undefined],
    ["exactly what is kept was missed", 9, kept, 9, undefined],
    ["part of it was pruned", 5, kept, 9, { fromSeq: 6, toSeq: 9, reason: "pruned" }],
    ["the numbers are of another database", 30, kept, 20, { fromSeq: 21, toSeq: 30, reason: "reset" }],
    ["nothing is kept and nothing was seen", 0, { firstSeq: 0, lastSeq: 0 }, 0, undefined],
  ])("when %s", (_what, wanted, range, afterSeq, gap) => {
    const plan = planStream(wanted, range);

    expect(plan.afterSeq).toBe(afterSeq);
    expect(plan.gap?.data).toEqual(gap);
  });
});

describe("a frame", () => {
  it("of an event carries its number, its kind and one line of data", () => {
    const event = { seq: 7, atMs: 1, kind: "task.done", taskId: null, data: { text: "a\nb" } };

    const frame = eventFrame(event);

    expect(frame.split("\n")).toHaveLength(5);
    expect(frame.startsWith("id: 7\nevent: task.done\ndata: {")).toBe(true);
  });

  it("of the stream itself has no number, so that clients resume behind the last event", () => {
    expect(controlFrame({ event: "end", data: { reason: "slow", resumeAfter: 3 } })).not.toContain("id:");
  });
});

describe("a page of events", () => {
  it("goes on where the last one ended", async () => {
    const harness = createHarness();
    for (let count = 0; count < 3; count += 1) await submit(harness);

    const first = await bodyOf(await harness.send("GET", "/api/events?limit=2"));
    const second = await bodyOf(await harness.send("GET", `/api/events?limit=2&after=${String(first["nextAfter"])}`));
    const third = await bodyOf(await harness.send("GET", `/api/events?after=${String(second["nextAfter"])}`));
    const tail = await bodyOf(await harness.send("GET", "/api/events?tail=1"));

    const seqs = (page: Record<string, unknown>) => (page["events"] as { seq: number }[]).map(({ seq }) => seq);
    expect([seqs(first), seqs(second), seqs(third), seqs(tail)]).toEqual([[1, 2], [3], [], [3]]);
    expect(third).toMatchObject({ nextAfter: 3, firstSeq: 1, lastSeq: 3 });
  });

  it.each([
    [undefined, false],
    ["*/*", false],
    ["application/json", false],
    ["text/event-stream", true],
    ["application/json;q=0.5, Text/Event-Stream;q=1", true],
  ])("accepting %s asks for a stream: %s", (accept, expected) => {
    expect(wantsStream(accept)).toBe(expected);
  });
});

describe("streams", () => {
  it("are taken up to a number, and given free when a client goes away", async () => {
    const harness = createHarness({ api: { rateLimits: { stream: { perSecond: 1_000, burst: 1_000 } } } });
    const open = () => harness.send("GET", "/api/events", undefined, { accept: "text/event-stream" });
    const streams = await Promise.all(Array.from({ length: 100 }, open));

    const refused = await open();
    await streams[0]?.body?.cancel();
    const taken = await open();
    harness.api.close();
    const afterClose = await open();

    expect(streams.every((stream) => stream.status === 200)).toBe(true);
    expect([refused.status, taken.status, afterClose.status]).toEqual([503, 200, 503]);
    expect(refused.headers.get("retry-after")).toBe("5");
  });

  it("are not opened for a request that wants the headers alone", async () => {
    const harness = createHarness();

    const response = await harness.send("HEAD", "/api/events", undefined, { accept: "text/event-stream" });
    const metrics = await (await harness.send("GET", "/metrics")).text();

    expect(response.status).toBe(200);
    expect(metrics).toContain("drover_event_streams 0\n");
  });

  it.each([
    ["events", { maxWaitingEvents: 20, maxWaitingChars: 10_000_000, maxStalledMs: 30_000 }],
    ["characters", { maxWaitingEvents: 10_000_000, maxWaitingChars: 5_000, maxStalledMs: 30_000 }],
  ])("end for a client for which too many %s wait", async (_what, streamLimits) => {
    const harness = createHarness({ api: { streamLimits } });
    const response = await harness.send("GET", "/api/events", undefined, { accept: "text/event-stream" });
    const open = async () =>
      (await (await harness.send("GET", "/metrics")).text()).includes("drover_event_streams 1\n");
    const before = await open();

    for (let count = 0; count < 600; count += 1) await submit(harness);
    const after = await open();
    const text = await response.text();

    expect([before, after]).toEqual([true, false]);
    expect(text).toContain('event: end\ndata: {"reason":"slow"');
  });

  it("leave out nothing that happens while the last page of what was missed is read", async () => {
    const harness = createHarness();
    await submit(harness);
    let isFirst = true;
    const store: Pick<QueueStore, "subscribe" | "eventRange" | "events"> = {
      subscribe: (listener) => harness.store.subscribe(listener),
      eventRange: () => harness.store.eventRange(),
      events: async (after, limit) => {
        const page = await harness.store.events(after, limit);
        if (isFirst) {
          isFirst = false;
          await submit(harness, { title: "in between" });
        }
        return page;
      },
    };
    // `as`: a stream reads events and nothing else.
    const facts = { store: store as QueueStore, clock: harness.clock, logger: silentLogger };
    const streams = new EventStreams(facts);

    const reader = streams.open(0, () => undefined)?.getReader();
    let text = "";
    while (!text.includes("id: 1\n")) text += new TextDecoder().decode((await reader?.read())?.value);
    await submit(harness, { title: "afterwards" });
    while (!text.includes("id: 3\n")) text += new TextDecoder().decode((await reader?.read())?.value);

    expect([...text.matchAll(/^id: (\d+)$/gm)].map((match) => match[1])).toEqual(["1", "2", "3"]);
  });

  it("end for a client that takes nothing for too long", async () => {
    const harness = createHarness();
    const response = await harness.send("GET", "/api/events?after=0", undefined, { accept: "text/event-stream" });
    for (let count = 0; count < 400; count += 1) await submit(harness);
    await harness.send("GET", "/api/queue");

    harness.clock.advance(60_000);
    const text = await response.text();

    expect(text).toContain('event: end\ndata: {"reason":"slow"');
  });
});
