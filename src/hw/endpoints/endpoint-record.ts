/** What is known of one endpoint, as polls, our own requests and their answers change it. Does no I/O. */
import type { Clock, Random } from "#base";
import {
  type Breaker,
  type BreakerEvent,
  type BreakerFacts,
  healthOf,
  NEW_BREAKER,
  penaltyOf,
  step,
  takesTrial,
} from "./breaker.ts";
import type { Announcement, CallOutcome, Endpoint, EndpointState, Health, LoadedModel, Model } from "./endpoint.ts";
import { Ledger, type LedgerEntry } from "./ledger.ts";
import { ModelBreakers } from "./model-breakers.ts";
import { overdueModels } from "./occupancy.ts";
import type { ProbeFault, Sighting } from "./probe.ts";

/** What a model may have when its server does not say; a capability found lacking is taken from these. */
const ASSUMED_CAPABILITIES = ["completion", "tools", "vision", "thinking", "insert", "embedding"];

export class EndpointRecord {
  readonly endpoint: Endpoint;
  readonly ledger = new Ledger();
  /** Set by {@link missing} and by time: the list of models is to be asked for. */
  listDueAtMs = 0;
  /** What another node says of its host, until it expires. */
  announcement: Announcement | null = null;
  #breaker: Breaker = NEW_BREAKER;
  readonly #modelBreakers = new ModelBreakers();
  #version: string | null = null;
  #models: readonly Model[] = [];
  #reported: readonly LoadedModel[] = [];
  #polledAtMs: number | null = null;
  #latencyMs: number | null = null;
  #connections: number | null = null;
  #parallel: number | undefined;
  #lastError: string | null = null;
  #wasLookedAt = false;
  readonly #lacking = new Map<string, { digest: string | null; capabilities: Set<string> }>();
  readonly #pins = new Map<string, number>();
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(endpoint: Endpoint, clock: Clock, random: Random) {
    this.endpoint = endpoint;
    this.#clock = clock;
    this.#random = random;
  }

  get models(): readonly Model[] {
    return this.#models;
  }

  get reported(): readonly LoadedModel[] {
    return this.#reported;
  }

  get isBusy(): boolean {
    return this.ledger.total > 0 || (this.#connections ?? 0) > 0;
  }

  /** Until its first look ended, with a list of models or with a fault. */
  get isNew(): boolean {
    return !this.#wasLookedAt;
  }

  /** Monotonic instant before which asking again is in vain; null when it is not known to be down. */
  get downUntilMs(): number | null {
    const { phase } = this.#breaker;
    return phase.kind === "open" && phase.byConnection ? phase.retryAtMs : null;
  }

  /** Whether only a real answer can show that it works again: probes answered all the time. */
  get needsDeepProbe(): boolean {
    const { phase } = this.#breaker;
    return phase.kind === "open" && !phase.byConnection && takesTrial(this.#breaker, this.#clock.monotonicMs());
  }

  state(): EndpointState {
    const nowMs = this.#clock.monotonicMs();
    const inFlight = this.ledger.counts();
    return {
      endpoint: this.endpoint,
      health: this.#health(nowMs),
      version: this.#version,
      models: this.#models,
      // Only Ollama loads what is asked for; of the others nothing can be said.
      loaded:
        this.endpoint.kind === "ollama"
          ? this.ledger.loaded(this.#reported, (model) => this.#asLoaded(model))
          : this.#reported,
      polledAtMs: this.#polledAtMs,
      latencyMs: this.#latencyMs,
      inFlight,
      outsiders: this.#outsiders(inFlight),
      penalty: penaltyOf(this.#breaker, nowMs),
      lastError: this.#lastError,
      modelHealth: this.#modelHealth(nowMs),
      pins: Object.fromEntries(this.#pins),
      ...(this.#parallel === undefined ? {} : { parallel: this.#parallel }),
      ...(this.announcement === null ? {} : { announcement: this.announcement }),
    };
  }

  begin(model: string, contextTokens: number | null): LedgerEntry {
    const beganAtMs = this.#clock.monotonicMs();
    const isTrial = takesTrial(this.#breaker, beganAtMs);
    this.#step({ kind: "began" });
    const isModelTrial = this.#modelBreakers.began(model, this.#facts());
    const entry = { model, beganAtMs, isTrial, isModelTrial, contextTokens };
    this.ledger.begin(entry);
    if (contextTokens !== null) this.#pins.set(model, contextTokens);
    return entry;
  }

  end(entry: LedgerEntry, outcome: CallOutcome): void {
    const isFault = outcome.kind === "fault" || outcome.kind === "overloaded" || outcome.kind === "modelFault";
    if (!this.ledger.end(entry, isFault, this.#clock.monotonicMs())) return;
    if (isFault) this.#lastError = outcome.reason;
    this.#step({ kind: "ended", outcome, trialAtMs: entry.isTrial ? entry.beganAtMs : null });
    this.#modelBreakers.ended(entry.model, outcome, entry.isModelTrial ? entry.beganAtMs : null, this.#facts());
  }

  /** Drops requests nobody ended; a trial among them makes room for the next. */
  expire(): number {
    const old = this.ledger.expire(this.#clock.monotonicMs());
    for (const { isTrial, beganAtMs } of old) {
      this.#step({ kind: "ended", outcome: { kind: "neutral" }, trialAtMs: isTrial ? beganAtMs : null });
    }
    return old.length;
  }

  /** A look that began at `beganAtMs` (monotonic) was answered. */
  seen(sighting: Sighting, beganAtMs: number): void {
    this.#step({ kind: "probed", fault: null, isRefused: false });
    this.#version = sighting.version ?? this.#version;
    this.#parallel = sighting.parallel ?? this.#parallel;
    this.#polledAtMs = this.#clock.nowMs();
    this.#latencyMs = Math.round(this.#clock.monotonicMs() - beganAtMs);
    this.#lastError = null;
    this.#reported = sighting.loaded ?? [];
    this.ledger.settle(beganAtMs);
  }

  /** A look was not answered as it should be. */
  unseen(fault: ProbeFault): void {
    this.#wasLookedAt = true;
    this.#lastError = fault.message;
    // Where nothing listens, nothing is in memory either; in all other cases the last sight is the best there is.
    if (fault.kind === "refused") this.#reported = [];
    this.#connections = null;
    this.#step({ kind: "probed", fault: fault.message, isRefused: fault.kind === "refused" });
  }

  listed(models: readonly Model[]): void {
    this.#wasLookedAt = true;
    this.#models = models.map((model) => this.#withoutLacking(model));
    const names = new Set(models.map(({ name }) => name));
    for (const name of this.#pins.keys()) if (!names.has(name)) this.#pins.delete(name);
    this.#modelBreakers.keepOnly(names);
    for (const name of this.#lacking.keys()) if (!names.has(name)) this.#lacking.delete(name);
  }

  /** Something short of a fault went wrong: the list or the details could not be had. */
  complained(message: string): void {
    this.#wasLookedAt = true;
    this.#lastError = message;
  }

  connected(connections: number | null): void {
    this.#connections = connections;
  }

  lacks(name: string, capability: string): void {
    const digest = this.#models.find((model) => model.name === name)?.digest ?? null;
    const known = this.#lacking.get(name);
    const capabilities = known?.digest === digest ? known.capabilities : new Set<string>();
    this.#lacking.set(name, { digest, capabilities: capabilities.add(capability) });
    this.#models = this.#models.map((model) => this.#withoutLacking(model));
  }

  missing(name: string): void {
    this.#models = this.#models.filter((model) => model.name !== name);
    this.#pins.delete(name);
    this.listDueAtMs = 0;
  }

  #withoutLacking(model: Model): Model {
    const lacking = this.#lacking.get(model.name);
    // The same name with another digest is another model, of which nothing was learned.
    if (lacking === undefined || lacking.digest !== model.digest) return model;
    const offered = model.capabilities ?? ASSUMED_CAPABILITIES;
    return { ...model, capabilities: offered.filter((capability) => !lacking.capabilities.has(capability)) };
  }

  #asLoaded(name: string): LoadedModel {
    const model = this.#models.find((known) => known.name === name);
    const sizeBytes = model?.isRemote === true ? 0 : (model?.sizeBytes ?? 0);
    const digest = model?.digest ?? null;
    return { name, digest, sizeBytes, vramBytes: sizeBytes, contextLength: null, expiresAtMs: null };
  }

  /** Both signs see the same requests, so the larger one counts. */
  #outsiders(inFlight: Readonly<Record<string, number>>): number | null {
    const overdue = overdueModels(this.#reported, inFlight, this.#clock.nowMs()).length;
    if (this.#connections === null) return overdue > 0 ? overdue : null;
    return Math.max(this.#connections, overdue);
  }

  #health(nowMs: number): Health {
    return this.#onTheWall(healthOf(this.#breaker, nowMs), nowMs);
  }

  #modelHealth(nowMs: number): Readonly<Record<string, Health>> {
    const found = [...this.#modelBreakers.health(nowMs)];
    return Object.fromEntries(found.map(([model, health]) => [model, this.#onTheWall(health, nowMs)]));
  }

  /** Breakers count in monotonic time; others are told the instant on the wall. */
  #onTheWall(health: Health, nowMs: number): Health {
    if (health.kind !== "open") return health;
    return { ...health, retryAtMs: Math.round(this.#clock.nowMs() + health.retryAtMs - nowMs) };
  }

  #step(event: BreakerEvent): void {
    this.#breaker = step(this.#breaker, event, this.#facts());
  }

  #facts(): BreakerFacts {
    return { nowMs: this.#clock.monotonicMs(), draw: this.#random.next() };
  }
}
