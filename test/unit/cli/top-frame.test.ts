import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exampleNode, exampleOffer, exampleQueue, exampleTask } from "../../../src/api/examples.ts";
import { exampleElsewhere, exampleEndpoint, exampleHardware } from "../../../src/api/examples-models.ts";
import { widthOf } from "../../../src/cli/output/text.ts";
import type { Endpoint } from "../../../src/cli/tasks/endpoint-text.ts";
import { type FrameFacts, type FrameTerminal, frameLines } from "../../../src/cli/top/frame.ts";
import { shareRows } from "../../../src/cli/top/share-rows.ts";
import type { FleetNode, Snapshot } from "../../../src/cli/top/snapshot.ts";

const NOW_MS = 1_763_700_000_000;
const GIB = 1024 ** 3;
const PIPE: FrameTerminal = { isTerminal: false, columns: undefined, rows: undefined, colour: false, unicode: false };
const SCREEN: FrameTerminal = { isTerminal: true, columns: 100, rows: 40, colour: false, unicode: true };

const TASK: Snapshot["running"][number] = {
  ...exampleTask,
  state: "running",
  startedAtMs: NOW_MS - 65_000,
  endedAtMs: null,
  node: exampleNode.id,
  attempts: [],
  result: null,
  progress: { ratio: 0.4, message: "call write_file greeting.txt (5 characters)" },
};
const BUSY: Endpoint = { ...exampleEndpoint, inFlight: { "qwen3:8b": 2 }, outsiders: 1 };
const DOWN: Endpoint = {
  ...exampleEndpoint,
  id: "gaming-pc",
  health: "open",
  loaded: [
    {
      name: "big:70b",
      sizeBytes: 40 * GIB,
      vramBytes: 24 * GIB,
      contextLength: 8_192,
      expiresAtMs: null,
      isExpected: false,
    },
  ],
  outsiders: null,
  latencyMs: null,
};

function snapshot(more: Partial<Snapshot> = {}): Snapshot {
  const totals = { waiting: 5, ready: 3, running: 1, done: 120, dead: 0, cancelled: 0 };
  return {
    atMs: NOW_MS,
    node: { ...exampleNode, name: "box", version: "1.2.3", uptimeMs: 3_600_000, ready: true, checks: [] },
    queue: { ...exampleQueue, paused: false, totals, oldestReadyAgeMs: 3_000, lanes: [] },
    running: [TASK],
    nodes: [{ ...exampleOffer, id: exampleNode.id, name: "box", isSelf: true }],
    endpoints: [BUSY, DOWN],
    elsewhere: [],
    hardware: exampleHardware,
    breakers: [],
    ...more,
  };
}

function frame(more: Partial<Snapshot> = {}, terminal = PIPE, facts: Partial<FrameFacts> = {}): string {
  const whole = { snapshot: snapshot(more), before: undefined, lost: undefined, nowMs: NOW_MS, ...facts };
  return frameLines(whole, terminal).join("\n");
}

describe("a frame of top", () => {
  it("shows load, queue, what runs with its step, and endpoints with what is loaded and who uses them", () => {
    expect(frame({}, SCREEN)).toMatchInlineSnapshot(`
      "box is ready  1.2.3, up 1 h, 2025-11-21 04:40:00Z
      cpu   █░░░░░░░░░░░░░░░░░░░  7 %  of 32 threads
      ram   ████░░░░░░░░░░░░░░░░ 20 %  51.0 GiB free of 64.0 GiB
      gpu   █████░░░░░░░░░░░░░░░ 25 %  NVIDIA GeForce RTX 4090, 18.0 GiB free of 24.0 GiB, 31 % busy, 113…
      queue 1 running, 3 ready (the oldest for 3.0 s), 5 waiting, 120 done

      Running: 1
      ID                                FOR  TITLE          STEP
      ────────────────────────────  ───────  ─────────────  ──────────────────────────────────────────────
      t_06d3w4r8k0e7v9w2m5x1y3z6ab  1 m 5 s  Run the tests  40 % call write_file greeting.txt (5 characte…

      Endpoints
      ID            HEALTH   RUNNING       LOADED                              OTHERS  ANSWERS IN
      ────────────  ───────  ────────────  ──────────────────────────────────  ──────  ──────────
      ollama-11434  healthy  qwen3:8b (2)  qwen3:8b 6.0 GiB                         1        2 ms
      gaming-pc     down     -             big:70b 40.0 GiB, 60 % on the card       ?           -"
    `);
  });

  it("is whole where it is not drawn on a screen", () => {
    const lines = frame({ running: Array.from({ length: 60 }, () => TASK) }).split("\n");

    expect(lines.filter((line) => line.includes("write_file"))).toHaveLength(60);
  });

  it("says how much it leaves out, of what was read and of what was not", () => {
    const running = Array.from({ length: 30 }, () => TASK);
    const queue = { ...snapshot().queue, totals: { ...snapshot().queue.totals, running: 250 } };

    const short = frame({ running, queue, endpoints: [], hardware: null }, { ...SCREEN, rows: 13 }).split("\n");
    const whole = frame({ running, queue, endpoints: [], hardware: null }).split("\n");

    expect(short).toHaveLength(13);
    expect(short.at(-1)).toBe("and 245 more");
    expect(whole.at(-1)).toBe("and 220 more");
  });

  it("says what is unknown, and never that it is nothing", () => {
    const unknown = {
      ...exampleHardware,
      cpu: { model: null, logicalCount: null, availableCount: null, loadRatio: null, loadAverage: null },
      ram: { totalBytes: null, availableBytes: null, limitedBy: "host" as const },
      gpus: [],
      gpusKnown: false,
    };

    const text = frame({ hardware: unknown });

    expect(text).toMatch(/^cpu {3}unknown +$/m);
    expect(text).toMatch(/^ram {3}unknown +unknown$/m);
    expect(text).toMatch(/^gpu {3}not known yet$/m);
    expect(frame({ hardware: null })).toContain("The hardware is not known.");
  });

  it("counts what ended since the frame before, unless ended tasks were removed meanwhile", () => {
    const at = (done: number, atMs: number): Snapshot => {
      const one = snapshot();
      return { ...one, atMs, queue: { ...one.queue, totals: { ...one.queue.totals, done } } };
    };
    const rate = (before: Snapshot): string => frame({}, PIPE, { snapshot: at(120, NOW_MS), before });

    expect(rate(at(115, NOW_MS - 2_000))).toContain(", 2.5 ended/s");
    expect(rate(at(500, NOW_MS - 2_000))).not.toContain("ended/s");
    expect(rate(at(120, NOW_MS))).not.toContain("ended/s");
  });

  it("keeps what it last saw of a node that does not answer, with its age and why", () => {
    const text = frame({}, PIPE, { lost: "no answer from http://127.0.0.1:7433", nowMs: NOW_MS + 12_000 });

    expect(text).toContain("As of 12 s ago, trying again: no answer from http://127.0.0.1:7433");
    expect(text).toContain("write_file");
  });

  it("shows the nodes of a fleet, and on which one a task runs", () => {
    const other: FleetNode = { ...exampleOffer, id: "n_2", name: "gpu1", isSelf: false, seenAtMs: NOW_MS - 4_000 };

    const nodes = [...(snapshot().nodes ?? []), other];
    const elsewhere = [{ ...exampleElsewhere, toldAtMs: NOW_MS - 4_000 }];

    const text = frame({ nodes, elsewhere, running: [{ ...TASK, node: "n_2" }] });

    expect(text).toMatch(/^gpu1 .* 4\.0 s ago/m);
    expect(text).toMatch(/^gpu1 +ollama-11434 +ollama +healthy +3 +qwen3:8b +1 +4 s ago$/m);
    expect(text).toMatch(/^t_\w+ +gpu1 +1 m 5 s/m);
  });

  it("puts what a person should look at first, the worst on top", () => {
    const breaker = { sinceMs: null, value: 9, limit: 10, isResettable: false };
    const text = frame({
      node: { ...snapshot().node, ready: false, checks: [{ name: "store", ok: false, detail: "the disk is full" }] },
      breakers: [
        { ...breaker, name: "crashes", state: "closed", detail: "9 faults" },
        { ...breaker, name: "budget:day:tokens", state: "closed", detail: "9 of 10 tokens" },
        { ...breaker, name: "budget:hour:tokens", state: "closed", value: 7, detail: "7 of 10 tokens" },
        { ...breaker, name: "queue", state: "overridden", detail: "a person let everything through" },
        { ...breaker, name: "endpoint:gaming-pc", state: "open", detail: "connection refused" },
      ],
    });

    const alerts = text.split("\n").slice(text.split("\n").indexOf("Alerts: 4"));
    expect(alerts.slice(2, 6).map((line) => line.split(/ {2,}/))).toEqual([
      ["store", "the disk is full"],
      ["endpoint:gaming-pc", "connection refused"],
      ["budget:day:tokens", "9 of 10 tokens"],
      ["queue", "a person let everything through"],
    ]);
  });

  it("cannot be made to move the cursor by what a task or a server is called", () => {
    const evil = "\u001b[2J\u0007";
    const text = frame(
      {
        running: [{ ...TASK, title: evil, progress: { ratio: 0, message: evil } }],
        endpoints: [{ ...BUSY, id: evil, inFlight: { [evil]: 1 } }],
        node: { ...snapshot().node, name: evil },
      },
      SCREEN,
      { lost: evil },
    );

    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });

  it.each([12, 20, 30, 40, 60, 80, 200])(
    "is no wider than %d columns and no longer than any window, in colour too",
    (columns) => {
      for (const rows of [1, 2, 5, 8, 12, 24, 60]) {
        const alert = {
          name: "queue",
          state: "open" as const,
          detail: "held",
          sinceMs: null,
          value: 1,
          limit: 1,
          isResettable: true,
        };
        const lines = frame({ breakers: [alert] }, { ...SCREEN, columns, rows, colour: true }, { lost: "gone" }).split(
          "\n",
        );

        expect(lines.length).toBeLessThanOrEqual(rows);
        for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(columns);
      }
    },
  );

  it("in colour says the same as without", () => {
    expect(Bun.stripANSI(frame({}, { ...SCREEN, colour: true }))).toBe(frame({}, SCREEN));
  });
});

describe("rows of a screen", () => {
  const wish = fc.record({ rows: fc.nat(40), overhead: fc.integer({ min: 1, max: 4 }) });

  it("are never more than there are, nor more than wished, and none is left while a shown table is cut", () => {
    fc.assert(
      fc.property(fc.array(wish, { maxLength: 6 }), fc.nat(80), (wishes, available) => {
        const given = shareRows(wishes, available);

        const used = wishes.reduce(
          (sum, { overhead }, index) => sum + ((given[index] ?? 0) > 0 ? (given[index] ?? 0) + overhead : 0),
          0,
        );
        const isCut = wishes.some(({ rows }, index) => (given[index] ?? 0) > 0 && (given[index] ?? 0) < rows);
        expect(used).toBeLessThanOrEqual(available);
        for (const [index, { rows }] of wishes.entries()) expect(given[index]).toBeLessThanOrEqual(rows);
        expect(isCut && used < available).toBe(false);
      }),
    );
  });

  it.each([
    [
      "all that is wished when there is room",
      [
        [3, 4],
        [2, 4],
      ],
      40,
      [3, 2],
    ],
    [
      "equal parts of what small tables leave",
      [
        [20, 4],
        [2, 4],
        [20, 4],
      ],
      32,
      [9, 2, 9],
    ],
    [
      "nothing for what is less important when there is no room",
      [
        [20, 4],
        [20, 4],
      ],
      10,
      [6, 0],
    ],
    [
      "everything where lines may be any number",
      [
        [90, 4],
        [80, 4],
      ],
      undefined,
      [90, 80],
    ],
  ] as const)("are %s", (_what, wishes, available, expected) => {
    expect(
      shareRows(
        wishes.map(([rows, overhead]) => ({ rows, overhead })),
        available,
      ),
    ).toEqual([...expected]);
  });
});
