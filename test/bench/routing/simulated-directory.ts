/** The endpoints as a node sees them: polled now and then, with its own requests counted at once. */
import type { Announcement, Endpoint, EndpointDirectory, EndpointState, Health, LoadedModel, Model, Ticket } from "#hw";
import { observeSizes } from "../../../src/hw/endpoints/loaded-sizes.ts";
import { CalibrationTable } from "../../../src/hw/fit/calibration.ts";
import { ResidencyHistory } from "../../../src/hw/fit/residency-history.ts";
import { HOSTS, MODELS } from "./fleet.ts";
import type { SimulatedHost } from "./simulated-host.ts";

/** A fault closes an endpoint for so long, doubled with each further one. */
const FIRST_OPEN_MS = 5_000;
const MAX_OPEN_MS = 60_000;

type Seen = {
  readonly endpoint: Endpoint;
  loaded: readonly LoadedModel[];
  announcement: Announcement | null;
  readonly pins: Map<string, number>;
  polledAtMs: number | null;
  readonly inFlight: Map<string, number>;
  readonly expected: Map<string, number>;
  health: Health;
};

const OFFERED: readonly Model[] = Object.values(MODELS).map((model) => ({
  name: model.name,
  digest: `sha256:${model.name}`,
  sizeBytes: model.sizeBytes,
  isRemote: false,
  family: null,
  parameterSize: null,
  quantization: null,
  capabilities: ["completion", "tools"],
  contextLength: 131_072,
  shape: model.shape,
}));

export class SimulatedDirectory implements EndpointDirectory {
  /** As the node keeps them beside its registry. */
  readonly calibrations = new CalibrationTable();
  readonly residency = new ResidencyHistory();
  readonly #seen = new Map<string, Seen>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    for (const { id } of HOSTS) {
      const endpoint: Endpoint = {
        id,
        kind: "ollama",
        url: `http://${id}:11434`,
        origin: "config",
        apiKeyFile: null,
        labels: {},
        isLocal: false,
        parallel: null,
        models: [],
      };
      this.#seen.set(id, {
        endpoint,
        loaded: [],
        announcement: null,
        pins: new Map(),
        polledAtMs: null,
        inFlight: new Map(),
        expected: new Map(),
        health: { kind: "unknown" },
      });
    }
  }

  states(): readonly EndpointState[] {
    return [...this.#seen.values()].map((seen) => this.#stateOf(seen));
  }

  state(id: string): EndpointState | undefined {
    const seen = this.#seen.get(id);
    return seen === undefined ? undefined : this.#stateOf(seen);
  }

  begin(endpointId: string, model: string, contextTokens: number | null): Ticket {
    const seen = this.#seen.get(endpointId);
    if (contextTokens !== null) seen?.pins.set(model, contextTokens);
    seen?.inFlight.set(model, (seen.inFlight.get(model) ?? 0) + 1);
    seen?.expected.set(model, this.#nowMs());
    let isOpen = true;
    return {
      endpointId,
      model,
      end: (outcome) => {
        if (!isOpen || seen === undefined) return;
        isOpen = false;
        const count = (seen.inFlight.get(model) ?? 1) - 1;
        if (count === 0) seen.inFlight.delete(model);
        else seen.inFlight.set(model, count);
        if (outcome.kind === "fault") this.#fault(seen, outcome.reason);
        else if (outcome.kind === "ok") seen.health = { kind: "healthy" };
      },
    };
  }

  lacks(): void {}

  missing(): void {}

  /** A script beside the server says what its host has, as the node's API takes it. */
  announce(host: SimulatedHost, leaseMs: number): void {
    const seen = this.#seen.get(host.spec.id);
    if (seen === undefined || host.isLost) return;
    const heardAtMs = this.#nowMs();
    seen.announcement = { node: host.spec.id, heardAtMs, expiresAtMs: heardAtMs + leaseMs, ...said(host) };
  }

  poll(host: SimulatedHost): void {
    const seen = this.#seen.get(host.spec.id);
    if (seen === undefined) return;
    if (host.isLost) {
      this.#fault(seen, "no answer to a poll");
      return;
    }
    seen.polledAtMs = this.#nowMs();
    seen.loaded = host.loaded().map((held) => ({
      name: held.model,
      digest: `sha256:${held.model}`,
      sizeBytes: held.bytes,
      vramBytes: held.vramBytes,
      contextLength: held.contextTokens,
      expiresAtMs: held.expiresAtMs,
    }));
    for (const model of seen.expected.keys()) if (!seen.inFlight.has(model)) seen.expected.delete(model);
    seen.health = { kind: "healthy" };
    this.residency.note(this.#stateOf(seen));
    observeSizes({ endpoint: seen.endpoint, models: OFFERED, reported: seen.loaded }, this.calibrations);
  }

  #fault(seen: Seen, reason: string): void {
    const faults = seen.health.kind === "open" ? seen.health.faults + 1 : 1;
    const openMs = Math.min(MAX_OPEN_MS, FIRST_OPEN_MS * 2 ** (faults - 1));
    seen.health = { kind: "open", retryAtMs: this.#nowMs() + openMs, reason, faults };
  }

  #stateOf(seen: Seen): EndpointState {
    const { health, announcement } = seen;
    const isAnnounced = announcement !== null && announcement.expiresAtMs > this.#nowMs();
    const isDue = health.kind === "open" && health.retryAtMs <= this.#nowMs();
    const known = new Set(seen.loaded.map(({ name }) => name));
    const expected = [...seen.expected.keys()].filter((model) => !known.has(model));
    return {
      endpoint: seen.endpoint,
      health: isDue ? { kind: "halfOpen", reason: health.reason } : health,
      version: "0.0.0",
      models: OFFERED,
      loaded: [...seen.loaded, ...expected.map(expectation)],
      polledAtMs: seen.polledAtMs,
      latencyMs: 5,
      inFlight: Object.fromEntries(seen.inFlight),
      outsiders: null,
      penalty: 0,
      lastError: health.kind === "open" ? health.reason : null,
      pins: Object.fromEntries(seen.pins),
      ...(isAnnounced ? { announcement } : {}),
    };
  }
}

/** What the host's own tools say: each card with what is free on it, the processor, the RAM. */
function said(host: SimulatedHost): Pick<Announcement, "gpus" | "cpu" | "ramBytes" | "freeRamBytes"> {
  const { accelerator, acceleratorName, cards, memoryBytes, ramBytes } = host.spec;
  const { vramBytes, ramBytes: inRamBytes } = host.held();
  const freeVramBytes = Math.max(0, memoryBytes - vramBytes - host.foreignBytes(host.nowMs)) / Math.max(1, cards);
  const card = { name: acceleratorName ?? "", vramBytes: memoryBytes / Math.max(1, cards), freeVramBytes };
  const gpus = Array.from({ length: cards }, () => ({ ...card, unified: accelerator === "unified" }));
  const cpu = "AMD Ryzen 9 5950X";
  // Without a card its RAM is the memory of models.
  if (cards === 0) return { gpus, cpu, ramBytes: memoryBytes, freeRamBytes: memoryBytes - inRamBytes };
  const shared = accelerator === "unified" ? vramBytes : 0;
  const allBytes = accelerator === "unified" ? Math.max(ramBytes, memoryBytes) : ramBytes;
  return { gpus, cpu, ramBytes: allBytes, freeRamBytes: Math.max(0, allBytes - inRamBytes - shared) };
}

function expectation(name: string): LoadedModel {
  const sizeBytes = OFFERED.find((model) => model.name === name)?.sizeBytes ?? 0;
  const digest = `sha256:${name}`;
  return { name, digest, sizeBytes, vramBytes: sizeBytes, contextLength: null, expiresAtMs: null, isExpected: true };
}
