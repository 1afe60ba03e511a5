import { describe, expect, it } from "vitest";
import type { LogChunk } from "#api";
import { err, ok, type Result, retryable, type TaskId } from "#base";
import { logFrames, placeFrom, placeText } from "../../../src/api/log-frames.ts";
import { MAX_LOG_STREAMS } from "../../../src/api/log-streams.ts";
import { bodyOf, createHarness, PASSED, submit } from "./api-harness.ts";

const encoder = new TextEncoder();

/** Files of logs and steps that grow. */
function world(executor: "shell" | "ollama" = "shell") {
  const files = new Map<string, Uint8Array>();
  /** Of another node: what has not come yet, and whether that node answers. */
  const elsewhere = { arriving: new Set<string>(), isAway: false };
  const read = async (name: string, offset: number, maxBytes: number): Promise<Result<LogChunk | undefined>> => {
    if (elsewhere.isAway) return err(retryable("unavailable", "it lies on gpu1, which does not answer"));
    const file = files.get(name);
    const isArriving = elsewhere.arriving.has(name);
    return ok(file && { bytes: file.slice(offset, offset + maxBytes), sizeBytes: file.byteLength, isArriving });
  };
  const harness = createHarness({
    ports: {
      executors: ["shell", "ollama"],
      readLog: (id: TaskId, attempt: number, offset: number, max: number) => read(`log ${id} ${attempt}`, offset, max),
      readSteps: (id: TaskId, attempt: number, offset: number, max: number) =>
        read(`steps ${id} ${attempt}`, offset, max),
    },
  });
  const append = (name: string, added: string | Uint8Array): void => {
    const more = typeof added === "string" ? encoder.encode(added) : added;
    files.set(name, Buffer.concat([files.get(name) ?? new Uint8Array(), more]));
  };
  const task = (): Promise<TaskId> =>
    submit(harness, {
      ...(executor === "shell" ? {} : { command: undefined, prompt: "Do it." }),
      maxAttempts: 2,
      retry: { baseMs: 1, maxMs: 1 },
    });
  return { harness, append, task, elsewhere };
}

type Frame = { readonly id: string | undefined; readonly event: string; readonly data: Record<string, unknown> };

/** Reads frames as they come; `next` moves the clock until there is one. */
function reading(response: Response, advance: () => void) {
  // `as`: bodies are bytes.
  const reader = (response.body as ReadableStream<Uint8Array> | null)?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  const frames: Frame[] = [];
  void (async () => {
    for (;;) {
      const part = await reader?.read();
      if (part === undefined || part.done) return;
      text += decoder.decode(part.value, { stream: true });
      for (let cut = text.indexOf("\n\n"); cut >= 0; cut = text.indexOf("\n\n")) {
        const field = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(text.slice(0, cut))?.[1];
        const data = field("data");
        // `as`: every frame of the stream holds an object.
        if (data !== undefined)
          frames.push({ id: field("id"), event: field("event") ?? "", data: JSON.parse(data) as Frame["data"] });
        text = text.slice(cut + 2);
      }
    }
  })();
  const until = async (count: number): Promise<readonly Frame[]> => {
    for (let looks = 0; frames.length < count; looks += 1) {
      if (looks > 2_000) throw new Error(`there are ${frames.length} frames, not ${count}: ${JSON.stringify(frames)}`);
      advance();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return frames;
  };
  return { until, frames, cancel: () => reader?.cancel() };
}

describe("a place in a log", () => {
  it.each(["1.steps.0", "12.output.4096"])("%s is read back as it was written", (text) => {
    const place = placeFrom(text);

    expect(place === undefined ? undefined : placeText(place)).toBe(text);
  });

  it.each(["", "7", "0.steps.1", "1.other.1", "1.steps.-1", "1.steps.1.2"])("%j is none", (text) => {
    expect(placeFrom(text)).toBeUndefined();
  });
});

describe("frames", () => {
  it("of output cut no character, and give what is no text as it is", () => {
    const place = { attempt: 1, form: "output", offset: 10 } as const;
    const bytes = encoder.encode("a€");

    const [cut] = logFrames(place, bytes.subarray(0, 3), false);
    const rest = logFrames(place, bytes.subarray(1, 3), false);
    const [broken] = logFrames(place, bytes.subarray(0, 3), true);

    expect([cut?.place.offset, cut?.text]).toEqual([11, expect.stringContaining('"text":"a"')]);
    expect(rest).toEqual([]);
    expect([broken?.place.offset, broken?.text]).toEqual([13, expect.stringContaining('"base64":"YeKC"')]);
  });

  it("of steps are whole lines; one that was torn by a crash is passed over", () => {
    const place = { attempt: 2, form: "steps", offset: 0 } as const;

    const frames = logFrames(place, encoder.encode('{"kind":"asked"}\n{"kin{"kind":"called"}\n{"kind"'), true);

    expect(frames.map(({ place: { offset } }) => offset)).toEqual([17, 40]);
    expect(frames.map(({ text }) => text).join("")).toBe(
      'id: 2.steps.17\nevent: step\ndata: {"attempt":2,"kind":"asked"}\n\n',
    );
  });
});

describe("the stream of a log", () => {
  it("gives every step once across attempts, and ends with the task", async () => {
    const { harness, append, task } = world("ollama");
    const id = await task();
    const response = await harness.send("GET", `/api/tasks/${id}/log/stream?form=steps`);
    const { until } = reading(response, () => harness.clock.advance(20));
    const [first] = await harness.claim();
    for (const kind of ["asked", "replied"]) append(`steps ${id} 1`, `{"kind":"${kind}"}\n`);
    await until(2);
    append(`steps ${id} 1`, '{"kind":"called"}\n{"kind":"half');
    await until(3);
    await harness.queue.finish(id, first?.fence ?? never(), { ...PASSED, outcome: "failed", error: "again" });
    await until(4);
    await harness.queue.retry(id);
    const [second] = await harness.claim();
    append(`steps ${id} 2`, '{"kind":"resumed"}\n');
    await harness.queue.finish(id, second?.fence ?? never(), PASSED);

    const frames = await until(6);

    expect(response.headers.get("content-type")).toBe("text/event-stream");
    expect(frames.map(({ event, data }) => [event, data["attempt"], data["kind"] ?? data["reason"]])).toEqual([
      ["step", 1, "asked"],
      ["step", 1, "replied"],
      ["step", 1, "called"],
      ["attempt", 2, undefined],
      ["step", 2, "resumed"],
      ["end", undefined, "ended"],
    ]);
  });

  it("goes on behind the last event that a client names, also of an earlier attempt", async () => {
    const { harness, append, task } = world();
    const id = await task();
    await harness.work({ outcome: "failed" });
    append(`log ${id} 1`, "one\ntwo\n");
    await harness.queue.retry(id);
    await harness.work();
    append(`log ${id} 2`, "three\n");

    const path = `/api/tasks/${id}/log/stream`;
    const whole = reading(await harness.send("GET", `${path}?after=1.output.0`), () => undefined);
    const rest = await harness.send("GET", path, undefined, { "last-event-id": "1.output.4" });
    const latest = reading(await harness.send("GET", path), () => undefined);
    const only = reading(await harness.send("GET", `${path}?attempt=1`), () => undefined);

    const texts = (frames: readonly Frame[]) => frames.map(({ data }) => data["text"] ?? data["attempt"]);
    expect(texts(await whole.until(4))).toEqual(["one\ntwo\n", 2, "three\n", undefined]);
    expect(texts(await reading(rest, () => undefined).until(4))).toEqual(["two\n", 2, "three\n", undefined]);
    expect(texts(await latest.until(2))).toEqual(["three\n", undefined]);
    expect(texts(await only.until(2))).toEqual(["one\ntwo\n", undefined]);
  });

  it("of a command has its output where steps were asked for", async () => {
    const { harness, append, task } = world();
    const id = await task();
    append(`log ${id} 1`, "printed\n");
    await harness.work();

    const frames = reading(await harness.send("GET", `/api/tasks/${id}/log/stream?form=steps`), () => undefined);

    expect(await frames.until(2)).toMatchObject([
      { id: "1.output.8", event: "output", data: { attempt: 1, text: "printed\n" } },
      { event: "end", data: { reason: "ended", resumeAfter: "1.output.8" } },
    ]);
  });

  it("G3: of an attempt that ended elsewhere goes on until its last byte has come", async () => {
    const { harness, append, task, elsewhere } = world();
    const id = await task();
    elsewhere.arriving.add(`log ${id} 1`);
    append(`log ${id} 1`, "one\n");
    await harness.work();
    const { until } = reading(await harness.send("GET", `/api/tasks/${id}/log/stream`), () =>
      harness.clock.advance(20),
    );
    await until(1);
    append(`log ${id} 1`, "two\n");
    const before = (await until(2)).map(({ event }) => event);
    elsewhere.arriving.clear();

    expect(before).toEqual(["output", "output"]);
    expect(await until(3)).toMatchObject([
      { data: { text: "one\n" } },
      { data: { text: "two\n" } },
      { event: "end", data: { reason: "ended", resumeAfter: "1.output.8" } },
    ]);
  });

  it("G3: tells as a gap what lies on a node that does not answer, and goes on with the next attempt", async () => {
    const { harness, append, task, elsewhere } = world();
    const id = await task();
    append(`log ${id} 1`, "one\n");
    append(`log ${id} 2`, "two\n");
    elsewhere.arriving.add(`log ${id} 1`);
    const { until } = reading(await harness.send("GET", `/api/tasks/${id}/log/stream`), () =>
      harness.clock.advance(20),
    );
    await harness.work({ outcome: "failed" });
    await until(1);
    elsewhere.isAway = true;
    const [, gap] = await until(2);
    elsewhere.isAway = false;
    await harness.queue.retry(id);
    await harness.work();

    expect(gap).toMatchObject({ event: "gap", data: { attempt: 1, why: "it lies on gpu1, which does not answer" } });
    expect((await until(5)).slice(2)).toMatchObject([
      { event: "attempt", data: { attempt: 2 } },
      { data: { attempt: 2, text: "two\n" } },
      { event: "end", data: { reason: "ended" } },
    ]);
  });

  it("of a node that comes back within a while has everything, once", async () => {
    const { harness, append, task, elsewhere } = world();
    const id = await task();
    await harness.claim();
    elsewhere.isAway = true;
    append(`log ${id} 1`, "one\n");
    const { until, frames } = reading(await harness.send("GET", `/api/tasks/${id}/log/stream`), () =>
      harness.clock.advance(20),
    );
    for (let turn = 0; turn < 2_000; turn += 1) {
      harness.clock.advance(20);
      await Promise.resolve();
    }
    const whileAway = frames.length;
    elsewhere.isAway = false;

    expect(whileAway).toBe(0);
    expect(await until(1)).toMatchObject([{ data: { text: "one\n" } }]);
    harness.api.close();
  });

  it("says where to resume when the node stops", async () => {
    const { harness, append, task } = world();
    const id = await task();
    await harness.claim();
    append(`log ${id} 1`, "so far\n");
    const { until } = reading(await harness.send("GET", `/api/tasks/${id}/log/stream`), () =>
      harness.clock.advance(20),
    );
    await until(1);

    harness.api.close();

    expect((await until(2)).at(-1)).toMatchObject({ data: { reason: "shutdown", resumeAfter: "1.output.7" } });
  });

  it("is taken up to a number, and given free when a client goes away", async () => {
    const { harness, task } = world();
    const path = `/api/tasks/${await task()}/log/stream`;
    const open = await Promise.all(Array.from({ length: MAX_LOG_STREAMS }, () => harness.send("GET", path)));

    const refused = await harness.send("GET", path);
    await open[0]?.body?.cancel();
    const next = await harness.send("GET", path);

    expect([refused.status, refused.headers.get("retry-after"), next.status]).toEqual([503, "5", 200]);
    harness.api.close();
  });

  it("of no task, or behind no id of its own, is refused", async () => {
    const { harness, task } = world();
    const id = await task();

    const gone = await harness.send("GET", `/api/tasks/${harness.ids.task()}/log/stream`);
    const odd = await harness.send("GET", `/api/tasks/${id}/log/stream`, undefined, { "last-event-id": "7" });

    expect([gone.status, odd.status]).toEqual([404, 400]);
    expect(await bodyOf(odd)).toMatchObject({ remedy: "Leave it out" });
  });
});

function never(): never {
  throw new Error("nothing was claimed");
}
