/** What the queue and the fleet measured of themselves, gathered for whoever proposes something. */
import { statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { EndpointMeasure, Measurements, MisfitMeasure, NodeMeasure } from "#activities";
import { type Clock, FLEET_FILE, ok, type Result, type Timer } from "#base";
import { type EndpointState, TIERS } from "#hw";
import { type AttemptSample, LANES } from "#queue";
import { chainFor } from "#scheduler";
import type { Config } from "../config/settings.ts";
import type { Engine } from "../engine.ts";

const WINDOW_MS = 86_400_000;
const MAX_ATTEMPTS = 20_000;
const MAX_DEAD = 500;
const TALLY_EVERY_MS = 30_000;
/** A part of it elsewhere than in VRAM is no rounding. */
const SPILLS = 0.97;

export type MeasureParts = {
  readonly engine: Pick<Engine, "queue" | "models" | "nodeId">;
  readonly config: Config;
  readonly stateDir: string;
  readonly nodes: () => readonly { readonly id: string; readonly name: string }[];
  readonly clock: Clock;
};

/** Looks at endpoints and the database now and then, so that there is something to compare with. */
export class Measure {
  readonly #parts: MeasureParts;
  readonly #tally = new Map<string, { looks: number; unwell: number }>();
  #database: { readonly atMs: number; readonly bytes: number }[] = [];
  #timer: Timer | undefined;

  constructor(parts: MeasureParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#look();
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    const { engine, clock } = this.#parts;
    for (const { endpoint, health } of engine.models.registry.states()) {
      const known = this.#tally.get(endpoint.id) ?? { looks: 0, unwell: 0 };
      known.looks += 1;
      if (health.kind !== "healthy") known.unwell += 1;
      this.#tally.set(endpoint.id, known);
    }
    const nowMs = clock.nowMs();
    const last = this.#database.at(-1);
    // One an hour is enough to see growth.
    if (last === undefined || nowMs - last.atMs > 3_600_000) this.#database.push({ atMs: nowMs, bytes: this.#bytes() });
    this.#database = this.#database.filter(({ atMs }) => atMs > nowMs - WINDOW_MS);
    this.#timer = clock.after(TALLY_EVERY_MS, () => this.#look());
  }

  async now(): Promise<Result<Measurements>> {
    const { engine, clock, stateDir } = this.#parts;
    const { store } = engine.queue;
    const attempts = await store.recentAttempts(clock.nowMs() - WINDOW_MS, MAX_ATTEMPTS);
    if (!attempts.ok) return attempts;
    const lanes = await store.lanes();
    if (!lanes.ok) return lanes;
    const dead = await store.list({ states: ["dead"] }, MAX_DEAD);
    if (!dead.ok) return dead;
    const states = engine.models.registry.states();
    const tiers = await this.#tiers(states);
    if (!tiers.ok) return tiers;
    const disk = statfsSync(stateDir);
    return ok({
      windowMs: WINDOW_MS,
      attempts: attempts.value,
      lanes: lanes.value.map(({ lane, counts }) => ({
        lane: LANES[lane] ?? String(lane),
        ready: counts.ready,
        waiting: counts.waiting,
      })),
      endpoints: states.map((state) => this.#endpoint(state)),
      nodes: this.#nodes(attempts.value),
      misfits: states.flatMap(misfitsOf),
      tiers: tiers.value,
      deadLetters: grouped(dead.value.items.map(({ row }) => row.reason).filter((reason) => reason !== null)),
      database: {
        bytes: this.#bytes(),
        beforeBytes: this.#database[0]?.bytes ?? null,
        freeDiskBytes: disk.bavail * disk.bsize,
      },
    });
  }

  #bytes(): number {
    const path = join(this.#parts.stateDir, FLEET_FILE);
    return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  #endpoint({ endpoint, health, models }: EndpointState): EndpointMeasure {
    const known = this.#tally.get(endpoint.id);
    return {
      id: endpoint.id,
      isHealthy: health.kind === "healthy",
      unhealthyRatio: known === undefined || known.looks < 20 ? null : known.unwell / known.looks,
      models: models.map(({ name }) => name),
    };
  }

  /** Its places are known of this node alone: of others, how busy they are is not. */
  #nodes(attempts: readonly AttemptSample[]): readonly NodeMeasure[] {
    const { nodes, engine, config } = this.#parts;
    const shell = config["executor.shell.concurrency"];
    const model = config["executor.ollama.concurrency"];
    return nodes().map(({ id, name }) => {
      if (id !== engine.nodeId || typeof shell !== "number" || typeof model !== "number")
        return { id, name, busyRatio: null };
      const ranMs = attempts.filter(({ node }) => node === id).reduce((sum, { durationMs }) => sum + durationMs, 0);
      return { id, name, busyRatio: Math.min(1, ranMs / (WINDOW_MS * (shell + model))) };
    });
  }

  /** By the chain of each tier, what was asked of it, and how its models were judged. */
  async #tiers(states: readonly EndpointState[]): Promise<Result<Measurements["tiers"]>> {
    const { engine, config, clock } = this.#parts;
    const { ports } = engine.models;
    const toMs = clock.nowMs() + 1;
    const used = await ports.store.usage({ fromMs: toMs - WINDOW_MS, toMs, by: "tier", limit: 10 });
    if (!used.ok) return used;
    const configured = {
      trivial: config["tiers.trivial.models"],
      standard: config["tiers.standard.models"],
      complex: config["tiers.complex.models"],
    };
    const there = new Set(states.flatMap(({ models }) => models.map(({ name }) => name)));
    return ok(
      TIERS.map((tier) => {
        const { links } = chainFor({ tier, configured, states, needs: [], claude: [] });
        const rates = ports.passRates().filter((rate) => rate.tier === tier);
        const judged = rates.reduce((sum, { samples }) => sum + samples, 0);
        return {
          tier,
          models: links.filter(({ model }) => there.has(model)).length,
          attempts: Math.max(judged, used.value.find(({ group }) => group === tier)?.requests ?? 0),
          judged,
          passed: Math.round(rates.reduce((sum, { mean, samples }) => sum + mean * samples, 0)),
        };
      }),
    );
  }
}

function misfitsOf({ endpoint, loaded }: EndpointState): readonly MisfitMeasure[] {
  return loaded
    .filter(
      ({ isExpected, vramBytes, sizeBytes }) => isExpected !== true && vramBytes > 0 && vramBytes < SPILLS * sizeBytes,
    )
    .map(({ name, vramBytes, sizeBytes }) => ({
      model: name,
      node: endpoint.id,
      needBytes: sizeBytes,
      haveBytes: vramBytes,
    }));
}

/** Ids, paths and figures differ from one dead letter to the next; the cause does not. */
function grouped(reasons: readonly { readonly code: string; readonly text: string }[]): Measurements["deadLetters"] {
  const groups = new Map<string, { code: string; text: string; count: number }>();
  for (const { code, text } of reasons) {
    const shape = text.replaceAll(/\bt_\w+|\/\S+|\d+/g, "…").slice(0, 200);
    const known = groups.get(`${code} ${shape}`);
    if (known === undefined) groups.set(`${code} ${shape}`, { code, text: shape, count: 1 });
    else known.count += 1;
  }
  return [...groups.values()];
}
