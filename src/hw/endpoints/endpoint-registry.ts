/**
 * All endpoints of this node. Configured ones are always listed, also while they are down; one server has one entry,
 * however many addresses lead to it. Reading never waits: it answers from the last poll and from what this node has
 * begun since.
 */
import { type Clock, err, type Failure, type Logger, ok, type Random, type Result, refused, type Timer } from "#base";
import { CalibrationTable } from "../fit/calibration.ts";
import { type AnnouncedEndpoint, checkAnnouncement } from "./announce.ts";
import { discover } from "./discover.ts";
import type { CallOutcome, Endpoint, EndpointDirectory, EndpointState, Model, Ticket } from "./endpoint.ts";
import { EndpointPoller } from "./endpoint-poller.ts";
import { EndpointRecord } from "./endpoint-record.ts";
import { type EndpointSpec, endpointFrom, rankOf } from "./endpoint-spec.ts";
import { ModelCatalog } from "./model-catalog.ts";
import { canonicalModelName } from "./model-name.ts";
import type { EndpointProbe, Identity, ProbeFault } from "./probe.ts";

/** Each endpoint is a loop of requests every few seconds; a fleet larger than this needs several nodes. */
const MAX_ENDPOINTS = 256;
/** Between two searches for servers that were started meanwhile. */
const DISCOVER_EVERY_MS = 60_000;
/** One candidate has this long to say who it is; it is on this host. */
const IDENTIFY_LIMIT_MS = 2_000;

export type RegistryOptions = {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly probe: EndpointProbe;
  /** Addresses where servers are looked for, see {@link wellKnownAddresses}; none: nothing is looked for. */
  readonly candidates: readonly string[];
};

type Entry = {
  readonly key: string;
  readonly record: EndpointRecord;
  readonly poller: EndpointPoller;
  /** What listeners were told last, and the list of models that its part of it was made of. */
  sign: string;
  models: readonly Model[];
  modelsSign: string;
  /** Ends what is announced of it. */
  lease?: Timer;
};

export class EndpointRegistry implements EndpointDirectory {
  /** What loaded models really took, by digest; for `planFit`. */
  readonly calibrations = new CalibrationTable();
  readonly #options: RegistryOptions;
  readonly #catalog: ModelCatalog;
  readonly #entries = new Map<string, Entry>();
  /** Servers that a person took out; discovery does not bring them back. */
  readonly #dismissed = new Set<string>();
  readonly #listeners = new Set<(state: EndpointState) => void>();
  readonly #stop = new AbortController();
  #isStarted = false;
  #hasSearched: boolean;
  #timer: Timer | null = null;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#catalog = new ModelCatalog(options.clock);
    this.#hasSearched = options.candidates.length === 0;
  }

  /** Begins polling and looking for servers. Returns at once; nothing is known yet. */
  start(): void {
    if (this.#isStarted || this.#isStopped()) return;
    this.#isStarted = true;
    for (const { poller } of this.#entries.values()) poller.start();
    void this.#search();
  }

  /** Ends all polling; open requests to servers are dropped. States stay readable. Cannot be started again. */
  stop(): void {
    this.#stop.abort();
    this.#timer?.cancel();
    for (const { poller, lease } of this.#entries.values()) {
      poller.stop();
      lease?.cancel();
    }
  }

  states(): readonly EndpointState[] {
    return [...this.#entries.values()].map(({ record }) => record.state());
  }

  state(id: string): EndpointState | undefined {
    return this.#entries.get(id)?.record.state();
  }

  isLooking(): boolean {
    if (this.#isStopped()) return false;
    return !this.#hasSearched || [...this.#entries.values()].some(({ record }) => record.isNew);
  }

  /**
   * Adds an endpoint and begins to poll it. A person's word replaces what was found or announced of the same server;
   * a finding of a server that is known already, or that was removed, changes nothing and gives the known one.
   * @returns `conflict` when a person adds a server or a name twice, `limit` beyond 256 endpoints.
   */
  add(spec: EndpointSpec): Result<Endpoint, Failure> {
    const made = endpointFrom(spec);
    if (!made.ok) return made;
    const { endpoint, key } = made.value;
    const known = [...this.#entries.values()].find((entry) => entry.key === key);
    const rank = rankOf(spec.origin);
    if (known !== undefined) {
      const { endpoint: older } = known.record;
      if (rank < 2) {
        if (rank <= rankOf(older.origin)) return ok(older);
      } else if (rankOf(older.origin) === 2) {
        const message = `endpoint ${endpoint.url} is already known as ${older.id}`;
        return err(refused("conflict", message, "Remove that one first"));
      }
    } else if (rank < 2 && this.#dismissed.has(key)) {
      return err(refused("conflict", `endpoint ${endpoint.url} was removed`, "Add it by hand to have it back"));
    }
    const named = this.#named(endpoint, spec.id !== undefined, known);
    if (!named.ok) return named;
    if (known === undefined && this.#entries.size >= MAX_ENDPOINTS) {
      return err(refused("limit", `there are ${MAX_ENDPOINTS} endpoints already`));
    }
    if (known !== undefined) this.#drop(known);
    this.#dismissed.delete(key);
    this.#enter(named.value, key);
    return named;
  }

  /**
   * Takes in what another node says of a server and its host (N1 to N3). The first time it is added, if it is not known.
   * @returns as {@link add}, and `invalid` for a server of this host or figures that cannot be.
   */
  announce(announced: AnnouncedEndpoint): Result<EndpointState, Failure> {
    const { node, leaseMs, host } = announced;
    const spec = { ...announced.spec, origin: "node" as const };
    const made = endpointFrom(spec);
    if (!made.ok) return made;
    const checked = checkAnnouncement(announced, made.value.endpoint);
    if (!checked.ok) return checked;
    // The latest announcement counts, with what it says of slots, labels and models.
    const known = this.#announcedAt(made.value.key);
    if (known !== undefined && !isSameSpec(known.record.endpoint, made.value.endpoint)) this.#drop(known);
    const added = this.add(spec);
    if (!added.ok) return added;
    const entry = this.#entries.get(added.value.id);
    if (entry === undefined) return err(notFound(added.value.id));
    const { clock } = this.#options;
    const heardAtMs = clock.nowMs();
    entry.record.announcement = { ...host, node, heardAtMs, expiresAtMs: heardAtMs + leaseMs };
    entry.lease?.cancel();
    entry.lease = clock.after(leaseMs, () => this.#leaseEnded(entry));
    this.#changed(entry);
    return ok(entry.record.state());
  }

  /** Forgets an endpoint; requests under way there go on and end as they do. */
  remove(id: string): Result<Endpoint, Failure> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return err(notFound(id));
    this.#drop(entry);
    this.#dismissed.add(entry.key);
    return ok(entry.record.endpoint);
  }

  /** Asks an endpoint everything now, also one that is down, and tells what was found. Takes at most seconds. */
  async probe(id: string): Promise<Result<EndpointState, Failure>> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return err(notFound(id));
    await entry.poller.pollNow();
    return ok(entry.record.state());
  }

  /** Calls `listener` whenever health, models or residency of an endpoint changed. @returns how to end that. */
  onChange(listener: (state: EndpointState) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  begin(endpointId: string, model: string, contextTokens: number | null): Ticket {
    const entry = this.#entries.get(endpointId);
    if (entry === undefined) return { endpointId, model, end: () => undefined };
    const { record, poller } = entry;
    const name = canonicalModelName(model, record.endpoint.kind);
    const request = record.begin(name, contextTokens);
    // Only Ollama loads and evicts on its own; asking a vendor's API after each request would be rude.
    if (record.endpoint.kind === "ollama") poller.hurry();
    return {
      endpointId,
      model: name,
      end: (outcome: CallOutcome) => {
        record.end(request, outcome);
        if (outcome.kind !== "ok") poller.hurry();
        this.#changed(entry);
      },
    };
  }

  lacks(endpointId: string, model: string, capability: string): void {
    const entry = this.#entries.get(endpointId);
    if (entry === undefined) return;
    entry.record.lacks(canonicalModelName(model, entry.record.endpoint.kind), capability);
    this.#changed(entry);
  }

  missing(endpointId: string, model: string): void {
    const entry = this.#entries.get(endpointId);
    if (entry === undefined) return;
    entry.record.missing(canonicalModelName(model, entry.record.endpoint.kind));
    entry.poller.hurry();
    this.#changed(entry);
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  #named(endpoint: Endpoint, isGiven: boolean, known: Entry | undefined): Result<Endpoint, Failure> {
    const isTaken = (id: string) => this.#entries.has(id) && this.#entries.get(id) !== known;
    if (!isTaken(endpoint.id)) return ok(endpoint);
    if (isGiven) return err(refused("conflict", `there is an endpoint named ${endpoint.id} already`));
    for (let n = 2; n <= MAX_ENDPOINTS; n++) {
      const id = `${endpoint.id.slice(0, 58)}-${n}`;
      if (!isTaken(id)) return ok({ ...endpoint, id });
    }
    return err(refused("limit", `there are ${MAX_ENDPOINTS} endpoints already`));
  }

  #enter(endpoint: Endpoint, key: string): void {
    const { clock, random, logger, probe } = this.#options;
    const record = new EndpointRecord(endpoint, clock, random);
    const ports = { clock, random, logger, probe, catalog: this.#catalog, calibrations: this.calibrations };
    const poller = new EndpointPoller(record, { ...ports, changed: () => this.#changed(entry) });
    const entry: Entry = { key, record, poller, sign: "", models: [], modelsSign: "" };
    this.#entries.set(endpoint.id, entry);
    this.#changed(entry);
    if (this.#isStarted && !this.#isStopped()) poller.start();
  }

  #announcedAt(key: string): Entry | undefined {
    return [...this.#entries.values()].find((entry) => entry.key === key && entry.record.endpoint.origin === "node");
  }

  #leaseEnded(entry: Entry): void {
    entry.record.announcement = null;
    if (this.#entries.get(entry.record.endpoint.id) !== entry) return;
    if (entry.record.endpoint.origin === "node") this.#drop(entry);
    this.#tell(entry.record.state());
  }

  #drop(entry: Entry): void {
    entry.poller.stop();
    entry.lease?.cancel();
    this.#entries.delete(entry.record.endpoint.id);
  }

  #changed(entry: Entry): void {
    if (this.#entries.get(entry.record.endpoint.id) !== entry) return;
    const state = entry.record.state();
    if (entry.models !== state.models) {
      entry.models = state.models;
      entry.modelsSign = modelsSignOf(state.models);
    }
    const sign = signOf(state, entry.modelsSign);
    if (sign === entry.sign) return;
    entry.sign = sign;
    this.#tell(state);
  }

  #tell(state: EndpointState): void {
    for (const listener of this.#listeners) {
      try {
        listener(state);
      } catch (fault) {
        this.#options.logger.error("a listener to endpoints failed", { fault });
      }
    }
  }

  async #search(): Promise<void> {
    const { candidates, clock, logger } = this.#options;
    if (candidates.length === 0 || this.#isStopped()) return;
    try {
      for (const found of await discover(candidates, (url) => this.#identify(url))) {
        if (this.#isStopped()) return;
        this.add(found); // refused when a person removed it, which is as it should be
      }
    } catch (fault) {
      logger.error("search for endpoints failed", { fault });
    }
    this.#hasSearched = true;
    this.#timer = clock.after(DISCOVER_EVERY_MS, () => void this.#search());
  }

  async #identify(url: string): Promise<Result<Identity, ProbeFault>> {
    const abort = new AbortController();
    const over = Promise.withResolvers<Result<Identity, ProbeFault>>();
    const giveUp = () => {
      over.resolve(err({ kind: "unreachable", message: `no answer within ${IDENTIFY_LIMIT_MS} ms` }));
      abort.abort();
    };
    const timer = this.#options.clock.after(IDENTIFY_LIMIT_MS, giveUp);
    this.#stop.signal.addEventListener("abort", giveUp);
    try {
      return await Promise.race([this.#options.probe.identify(url, abort.signal), over.promise]);
    } finally {
      timer.cancel();
      this.#stop.signal.removeEventListener("abort", giveUp);
    }
  }
}

function isSameSpec(a: Endpoint, b: Endpoint): boolean {
  const said = ({ kind, labels, parallel, models }: Endpoint): string =>
    JSON.stringify([kind, labels, parallel, models]);
  return said(a) === said(b);
}

/** What listeners are told of: not counters and instants, which change all the time. */
function signOf({ health, version, loaded, lastError, announcement }: EndpointState, modelsSign: string): string {
  const inMemory = loaded.map((model) => [model.name, model.contextLength, model.vramBytes, model.isExpected]);
  return JSON.stringify([health.kind, version, lastError, inMemory, modelsSign, announcement?.heardAtMs]);
}

/** Made once per list: it is long, and every request that ends asks whether something changed. */
function modelsSignOf(models: readonly Model[]): string {
  return JSON.stringify(
    models.map(({ name, digest, capabilities, shape }) => [name, digest, capabilities, shape === null]),
  );
}

function notFound(id: string): Failure {
  return refused("not_found", `there is no endpoint ${JSON.stringify(id.slice(0, 100))}`, "See drover endpoints list");
}
