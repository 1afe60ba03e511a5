import { describe, expect, it } from "vitest";
import type { Announcement, EndpointState } from "#hw";
import { hardwareOf } from "../../../../src/runtime/models/hardware-class.ts";
import { card } from "../../hw/capacity/scripted-source.ts";
import { state } from "../../scheduler/fleet-states.ts";
import { hostCapacity } from "./host-of-tests.ts";

const NAME = "NVIDIA GeForce RTX 4090";
const CARD = { hardwareClass: "gpu-nvidia-geforce-rtx-4090", accelerator: "gpu", memoryBytesPerSecond: 1_008e9 };
const here = state("e", { endpoint: { isLocal: true } });

function known(at: EndpointState | undefined, host = hostCapacity([card({ name: NAME })])) {
  return hardwareOf("e", { current: () => host }, { state: () => at });
}

function announced(more: Partial<Announcement>): EndpointState {
  const said = { gpus: null, cpu: null, ramBytes: null, freeRamBytes: null, ...more };
  return state("e", { announcement: { node: "n", heardAtMs: 0, expiresAtMs: 1, ...said } });
}

describe("the machine under an endpoint", () => {
  it("is this host where the endpoint runs on it: its first card, else its processor, else not known yet", () => {
    expect(known(here)).toEqual(CARD);
    expect(known(here, hostCapacity([]))).toEqual({
      hardwareClass: "cpu-a-processor",
      accelerator: "cpu",
      memoryBytesPerSecond: null,
    });
    expect(known(here, hostCapacity([], { gpusKnown: false }))).toBeNull();
  });

  it("is, elsewhere, what is announced of it, of the same class as the same card here", () => {
    const gpu = { name: NAME, vramBytes: null, freeVramBytes: null, unified: false };

    expect(known(announced({ gpus: [gpu] }))).toEqual(CARD);
    expect(known(announced({ gpus: [], cpu: "A Processor" }))?.hardwareClass).toBe("cpu-a-processor");
    expect(known(announced({ gpus: [{ ...gpu, name: "Apple M2 Max", unified: true }] }))).toMatchObject({
      accelerator: "unified",
      memoryBytesPerSecond: 400e9,
    });
  });

  it("is unknown where nobody says anything, and where the server is no Ollama", () => {
    expect(known(state("e"))).toBeNull();
    expect(known(announced({ cpu: "A Processor" }))).toBeNull();
    expect(known(state("e", { endpoint: { isLocal: true, vramBytes: 1 } }))).toBeNull();
    expect(known(state("e", { endpoint: { isLocal: true, kind: "openai" } }))).toBeNull();
    expect(known(undefined)).toBeNull();
  });
});
