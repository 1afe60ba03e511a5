import { describe, expect, it } from "vitest";
import { SimulatedClock, seededRandom } from "#base";
import {
  GPU_INTERVAL_MS,
  GPU_RARE_INTERVAL_MS,
  GPU_STALE_MS,
  GpuSourceLoop,
} from "../../../../src/hw/capacity/gpu-source-loop.ts";
import type { Gpu } from "../../../../src/hw/capacity/host-capacity.ts";
import { card, known, ScriptedSource, settled } from "./scripted-source.ts";

const world = () => {
  const clock = new SimulatedClock();
  const source = new ScriptedSource();
  const heard: (readonly Gpu[])[] = [];
  const loop = new GpuSourceLoop({ clock, random: seededRandom(7), source, onAnswer: (gpus) => heard.push(gpus) });
  loop.start();
  return { clock, source, loop, heard };
};

describe("GpuSourceLoop", () => {
  it("knows nothing before the first answer, and waits for nobody (G2)", () => {
    const { loop } = world();

    expect(loop.view()).toEqual({ gpus: [], notes: [], isKnown: false });
  });

  it("asks again after its interval, with jitter", async () => {
    const { clock, source, loop } = world();
    await source.answer(known(card()));

    clock.advance(GPU_INTERVAL_MS * 0.79);
    const early = source.asked;
    clock.advance(GPU_INTERVAL_MS * 0.42);

    expect([early, source.asked]).toEqual([1, 2]);
    expect(loop.view().gpus).toEqual([card()]);
  });

  it("never has two questions under way, however long one takes and whoever asks (G1)", async () => {
    const { clock, source, loop } = world();

    const refreshes = [loop.refresh(), loop.refresh()];
    clock.advance(3_600_000);
    loop.start();

    expect([source.asked, source.open]).toEqual([1, 1]);
    await source.answer(known(card()));
    await Promise.all(refreshes);
    expect(source.asked).toBe(1);
  });

  it("shows a GPU without figures once they are out of date, and says that the source is slow (G3)", async () => {
    const { clock, source, loop } = world();
    await source.answer(known(card()));

    clock.advance(GPU_STALE_MS);
    const last = loop.view().gpus[0]?.vramUsedBytes;
    clock.advance(1);
    const { gpus, notes } = loop.view();

    expect(last).toBe(1_000);
    expect(gpus).toEqual([
      card({ vramUsedBytes: null, loadRatio: null, powerWatts: null, temperatureCelsius: null, processes: null }),
    ]);
    expect(notes).toEqual([expect.stringMatching(/scripted-smi has not answered for \d+ s/)]);
  });

  it("keeps the GPU, but no figures, when the source fails, and takes them up again when it recovers", async () => {
    const { clock, source, loop, heard } = world();
    await source.answer(known(card()));
    clock.advance(GPU_INTERVAL_MS * 1.3);

    await source.answer({ kind: "failed", note: "driver is gone" });
    const failed = loop.view();
    clock.advance(GPU_INTERVAL_MS * 3);
    await source.answer(known(card({ vramUsedBytes: 7 })));

    expect(failed).toMatchObject({ gpus: [{ vramBytes: 24_000, vramUsedBytes: null }], notes: ["driver is gone"] });
    expect(loop.view()).toMatchObject({ gpus: [{ vramUsedBytes: 7 }], notes: [] });
    expect(heard.map((gpus) => gpus[0]?.powerWatts)).toEqual([100, null, 100]);
  });

  it("doubles the distance of questions after each fault, up to a limit (G4)", async () => {
    const { clock, source } = world();
    const waitedMs: number[] = [];

    for (let fault = 0; fault < 10; fault += 1) {
      await source.answer({ kind: "failed", note: "no" });
      const asked = source.asked;
      let waited = 0;
      while (source.asked === asked) {
        clock.advance(1_000);
        waited += 1_000;
      }
      waitedMs.push(waited);
    }

    expect(waitedMs[0]).toBeGreaterThan(GPU_INTERVAL_MS * 1.5);
    expect(waitedMs[1]).toBeGreaterThan(GPU_INTERVAL_MS * 3);
    expect(Math.max(...waitedMs)).toBeLessThanOrEqual(GPU_RARE_INTERVAL_MS * 1.21);
    expect(waitedMs.at(-1)).toBeGreaterThanOrEqual(GPU_RARE_INTERVAL_MS * 0.79);
  });

  it("looks for a GPU that is not there only rarely", async () => {
    const { clock, source, loop } = world();
    await source.answer({ kind: "absent" });

    clock.advance(GPU_RARE_INTERVAL_MS * 0.79);

    expect(source.asked).toBe(1);
    expect(loop.view()).toEqual({ gpus: [], notes: [], isKnown: true });
    clock.advance(GPU_RARE_INTERVAL_MS * 0.42);
    expect(source.asked).toBe(2);
  });

  it("refreshes at once, but not what is new, and a failing source only now and then", async () => {
    const { clock, source, loop } = world();
    await source.answer(known(card()));

    await loop.refresh();
    const whileNew = source.asked;
    clock.advance(2_500);
    const refreshing = loop.refresh();
    const whileOld = source.asked;
    await source.answer({ kind: "failed", note: "no" });
    await refreshing;
    clock.advance(2_500);
    await loop.refresh();

    expect([whileNew, whileOld, source.asked]).toEqual([1, 2, 2]);
  });

  it("asks again what is new but older than a change, after the question that was under way before it", async () => {
    const { clock, source, loop } = world();
    await source.answer(known(card()));
    clock.advance(1_000);

    const first = loop.refresh(1_000);
    const afterChange = source.asked;
    clock.advance(500);
    const second = loop.refresh(1_500);
    await source.answer(known(card()));
    const afterAnswer = source.asked;
    clock.advance(100);
    await source.answer(known(card()));
    await Promise.all([first, second]);
    await loop.refresh(1_400);

    expect([afterChange, afterAnswer, source.asked]).toEqual([2, 3, 3]);
    expect(loop.view().askedAtMs).toBe(1_500);
  });

  it("stops the question under way and asks no more", async () => {
    const { clock, source, loop, heard } = world();

    const stopping = loop.stop();
    const aborted = source.signal?.aborted;
    await source.answer(known(card()));
    await stopping;
    clock.advance(3_600_000);
    await loop.refresh();

    expect(aborted).toBe(true);
    expect([source.asked, heard.length]).toEqual([1, 0]);
  });

  it("stops although the question never ends", async () => {
    const { clock, loop } = world();

    const stopping = loop.stop();
    await settled();
    clock.advance(2_000);

    await expect(stopping).resolves.toBeUndefined();
  });
});
