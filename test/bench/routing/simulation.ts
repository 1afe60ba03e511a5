/** Runs one scenario under one policy. Deterministic: the same seed and policy give the same run. */
import { type Clock, seededRandom, type Timer } from "#base";
import type { Ticket } from "#hw";
import type { NeededSoon } from "../../../src/scheduler/demand-book.ts";
import { HOSTS, hiddenFactors } from "./fleet.ts";
import { nodeFitPlanner } from "./node-fit.ts";
import type { Choice, Policy, PolicyMaker } from "./policy.ts";
import { SimulatedDirectory } from "./simulated-directory.ts";
import { type Ended, SimulatedHost } from "./simulated-host.ts";
import { NO_FATE, type Scenario, type WorkloadRequest } from "./workload.ts";

/** A client notices a machine that went away in the middle of a reply, and one that does not answer a call. */
const CUT_NOTICED_MS = 10_000;
const CONNECT_TIMEOUT_MS = 3_000;
/** A request that nothing can take now is asked again after this. */
const WAIT_MS = 1_000;
/** A request that is not done an hour after it came counts with that hour. */
const GIVEN_UP_MS = 3_600_000;
/** Two announcements may be lost before a lease ends, as with the node's own default. */
const LEASE_PER_INTERVAL = 3;

export type Outcome = {
  readonly id: number;
  readonly completionMs: number;
  readonly predictedMs: number | null;
  /** From sending it to the endpoint that answered; what the prediction was of. */
  readonly servedMs: number;
  readonly endpoint: string | null;
};

export type Run = {
  readonly outcomes: readonly Outcome[];
  readonly coldLoads: number;
  readonly spills: number;
};

type Timed = { readonly atMs: number; readonly order: number; readonly act: () => void };

export class Simulation implements Clock {
  readonly hosts: ReadonlyMap<string, SimulatedHost>;
  readonly #scenario: Scenario;
  readonly #directory: SimulatedDirectory;
  readonly #policy: Policy;
  readonly #outcomes = new Map<number, Outcome>();
  readonly #readyAtMs = new Map<number, number>();
  readonly #waitingFor = new Map<number, Set<number>>();
  readonly #sent = new Map<number, { choice: Choice; ticket: Ticket; atMs: number; excluded: string[] }>();
  readonly #byId: ReadonlyMap<number, WorkloadRequest>;
  #timers: Timed[] = [];
  #order = 0;
  #nowMs = 0;
  #sumMs = 0;

  constructor(scenario: Scenario, seed: number, maker: PolicyMaker, polls = true) {
    this.#scenario = scenario;
    const factors = hiddenFactors(seed);
    this.hosts = new Map(
      HOSTS.map((spec) => {
        const factorOf = (model: string): number => factors(spec.id, model);
        return [spec.id, new SimulatedHost(spec, factorOf, scenario.fates[spec.id] ?? NO_FATE)];
      }),
    );
    this.#byId = new Map(scenario.requests.map((request) => [request.id, request]));
    this.#directory = new SimulatedDirectory(() => this.#nowMs);
    const fit = nodeFitPlanner(this.#directory);
    const visible = { clock: this, directory: this.#directory, fit, seed, lookahead: { needed: () => this.#needed() } };
    this.#policy = maker.make(visible, { hosts: this.hosts });
    for (const host of this.hosts.values()) {
      this.#directory.announce(host, LEASE_PER_INTERVAL * scenario.announceEveryMs);
      this.#directory.poll(host);
    }
    if (polls) this.#schedulePolls(seed);
    for (const request of scenario.requests) {
      if (request.after.length === 0) this.after(request.atMs, () => this.#arrive(request));
      else this.#waitingFor.set(request.id, new Set(request.after));
    }
  }

  /** @param limitMs stops once the completion times add up to more; what is missing then does not matter. */
  run(limitMs = Number.POSITIVE_INFINITY): Run {
    const { length } = this.#scenario.requests;
    while (this.#outcomes.size < length && this.#sumMs <= limitMs) {
      const next = Math.min(
        this.#timers[0]?.atMs ?? Number.POSITIVE_INFINITY,
        ...[...this.hosts.values()].map((host) => host.nextEventMs()),
      );
      if (!Number.isFinite(next)) break;
      this.#nowMs = next;
      for (const host of this.hosts.values()) host.advanceTo(next);
      for (const host of this.hosts.values()) {
        for (const ended of host.ended.splice(0)) this.#ended(ended);
      }
      while ((this.#timers[0]?.atMs ?? Number.POSITIVE_INFINITY) <= next) this.#timers.shift()?.act();
    }
    const hosts = [...this.hosts.values()];
    return {
      outcomes: [...this.#outcomes.values()],
      coldLoads: hosts.reduce((sum, host) => sum + host.coldLoads, 0),
      spills: hosts.reduce((sum, host) => sum + host.spills, 0),
    };
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, act: () => void): Timer {
    const timed = { atMs: this.#nowMs + delayMs, order: this.#order++, act };
    const index = this.#timers.findIndex((other) => other.atMs > timed.atMs);
    this.#timers.splice(index === -1 ? this.#timers.length : index, 0, timed);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timed);
      },
    };
  }

  #schedulePolls(seed: number): void {
    const random = seededRandom(seed * 31 + 7);
    for (const host of this.hosts.values()) {
      const poll = (): void => {
        this.#directory.poll(host);
        this.after(this.#scenario.pollEveryMs * (0.9 + 0.2 * random.next()), poll);
      };
      this.after(random.next() * this.#scenario.pollEveryMs, poll);
    }
    const { announceEveryMs } = this.#scenario;
    for (const host of this.hosts.values()) {
      const announce = (): void => {
        this.#directory.announce(host, LEASE_PER_INTERVAL * announceEveryMs);
        this.after(announceEveryMs * (0.9 + 0.2 * random.next()), announce);
      };
      this.after(random.next() * announceEveryMs, announce);
    }
  }

  /** Models of the steps that follow those under way. */
  #needed(): readonly NeededSoon[] {
    const needed: NeededSoon[] = [];
    for (const [id, after] of this.#waitingFor) {
      if (![...after].every((step) => this.#readyAtMs.has(step))) continue;
      const model = this.#byId.get(id)?.model.name;
      if (model !== undefined) needed.push({ model, inMs: 0, count: 1 });
    }
    return needed;
  }

  #arrive(request: WorkloadRequest): void {
    this.#readyAtMs.set(request.id, this.#nowMs);
    this.#send(request, []);
  }

  #send(request: WorkloadRequest, excluded: string[]): void {
    if (this.#nowMs - (this.#readyAtMs.get(request.id) ?? 0) >= GIVEN_UP_MS) {
      this.#finished(request, GIVEN_UP_MS, null, null, 0);
      return;
    }
    const choice = this.#policy.choose(request, excluded);
    const host = choice === null ? undefined : this.hosts.get(choice.endpoint);
    if (choice === null || host === undefined) {
      this.after(WAIT_MS, () => this.#send(request, []));
      return;
    }
    const contextTokens = choice.contextTokens ?? request.model.contextTokens;
    const ticket = this.#directory.begin(choice.endpoint, request.model.name, contextTokens);
    this.#sent.set(request.id, { choice, ticket, atMs: this.#nowMs, excluded });
    const answer = host.submit({ ...request, contextTokens });
    if (answer === "taken") return;
    const delayMs = answer === "lost" ? CONNECT_TIMEOUT_MS : 5;
    this.after(delayMs, () => this.#failed(request, `the server ${answer}`, answer === "lost"));
  }

  #failed(request: WorkloadRequest, reason: string, isFault: boolean): void {
    const sent = this.#sent.get(request.id);
    if (sent === undefined) return;
    this.#sent.delete(request.id);
    sent.ticket.end(isFault ? { kind: "fault", reason } : { kind: "neutral" });
    const excluded = [...sent.excluded, sent.choice.endpoint];
    this.#send(request, excluded.length >= this.hosts.size ? [] : excluded);
  }

  #ended(ended: Ended): void {
    const request = this.#byId.get(ended.job.id);
    const sent = this.#sent.get(ended.job.id);
    if (request === undefined || sent === undefined) return;
    if (!ended.ok) {
      this.after(CUT_NOTICED_MS, () => this.#failed(request, "the stream ended", true));
      return;
    }
    this.#sent.delete(request.id);
    const servedMs = this.#nowMs - sent.atMs;
    this.#policy.ended?.(request, sent.choice, ended, servedMs);
    sent.ticket.end({ kind: "ok" });
    const completionMs = this.#nowMs - (this.#readyAtMs.get(request.id) ?? 0);
    this.#finished(request, completionMs, sent.choice.predictedMs, sent.choice.endpoint, servedMs);
  }

  #finished(
    { id }: WorkloadRequest,
    completionMs: number,
    predictedMs: number | null,
    endpoint: string | null,
    servedMs: number,
  ): void {
    this.#sumMs += completionMs;
    this.#outcomes.set(id, { id, completionMs, predictedMs, servedMs, endpoint });
    for (const [waiting, after] of this.#waitingFor) {
      if (!after.delete(id) || after.size > 0) continue;
      this.#waitingFor.delete(waiting);
      const request = this.#byId.get(waiting);
      if (request !== undefined) this.after(request.atMs, () => this.#arrive(request));
    }
  }
}

/** The mean time from arrival to the last token, in milliseconds. */
export function meanMs(run: Run): number {
  return run.outcomes.reduce((sum, { completionMs }) => sum + completionMs, 0) / Math.max(1, run.outcomes.length);
}
