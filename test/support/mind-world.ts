/**
 * The mind of a node over real stores and a real queue, with the real remedies, on a clock that is moved. What a host
 * measures, and servers of models, are knobs.
 */
import {
  type Activities,
  type Activity,
  Healing,
  KeyActivity,
  NO_REPOSITORIES,
  type RepositoryHealth,
} from "#activities";
import {
  createIdFactory,
  err,
  type Failure,
  type NodeId,
  ok,
  type Result,
  SimulatedClock,
  seededRandom,
  silentLogger,
  type TaskId,
} from "#base";
import type { Entry } from "#fsm";
import type { EndpointState } from "#hw";
import { QueueService } from "#queue";
import type { Stores } from "#store";
import { type Alerts, AuditTrail, type Raise } from "#telemetry";
import type { Config } from "../../src/runtime/config/settings.ts";
import { Cares } from "../../src/runtime/mind/cares.ts";
import { FactGatherer } from "../../src/runtime/mind/facts.ts";
import { mindRules } from "../../src/runtime/mind/mind-rules.ts";
import { MindService } from "../../src/runtime/mind/mind-service.ts";
import { endpointRemedies } from "../../src/runtime/mind/remedies/endpoints.ts";
import { hostRemedies } from "../../src/runtime/mind/remedies/host.ts";
import { taskRemedies } from "../../src/runtime/mind/remedies/tasks.ts";
import type { TasksHeldParts } from "../../src/runtime/mind/tasks-held.ts";
import { Detours } from "../../src/runtime/models/detours.ts";
import { configWith } from "../unit/runtime/models/model-config.ts";
import { must, openedStores } from "./opened-stores.ts";
import { acceptsAll, newTask } from "./queue-world.ts";

/** Of a process that ends at a label. */
export class Crash extends Error {}

class Counted implements Activity {
  begins = 0;
  ends = 0;
  isDone = false;
  begin(): void {
    this.begins += 1;
  }
  end(): void {
    this.ends += 1;
  }
}

export class MindWorld {
  readonly clock = new SimulatedClock();
  readonly ids = createIdFactory(this.clock, seededRandom(3));
  readonly other = this.ids.node();
  readonly detours = new Detours();
  readonly executing = new Counted();
  readonly improving = new Counted();
  readonly contemplating = new Counted();
  readonly alerts: Raise[] = [];
  /** Keys of alerts that nothing has ended. */
  readonly openAlerts = new Set<string>();
  readonly entries: Entry[] = [];
  readonly calls: string[] = [];

  // Knobs.
  disk = { totalBytes: 1_000_000_000_000, freeBytes: 900_000_000_000 };
  ram = { totalBytes: 1_000, availableBytes: 900, limitedBy: "host" as const };
  endpoints: readonly EndpointState[] = [];
  goals = { readyGoals: 0, readyTasks: 0 };
  running = 0;
  replica: { staleMs: number; isReaching: boolean } | undefined;
  clockOffsetMs: number | null = null;
  members: { id: NodeId; isWell: boolean; running: number }[] = [];
  /** How long the other node was silent; undefined: it was taken out of the fleet. */
  silentMs: number | undefined = 0;
  /** The same by node, where a fleet knows it. */
  silenceOf: (node: NodeId) => number | undefined = () => this.silentMs;
  brokenDatabases: Record<string, Failure> = {};
  sinceScanMs: number | null = 0;
  sinceProposalMs: number | null = 0;
  wakeEvents = 0;
  budgets = { executing: 100, improving: 100, contemplating: 100, healing: 100 };
  repositories: RepositoryHealth = NO_REPOSITORIES;
  /** What a remedy does to the knobs. */
  readonly onCall: Record<string, () => void> = {};
  /** In the place of those that only note that they were asked. */
  restartOther: ((node: string) => Promise<Result<unknown>>) | undefined;
  attached: { reattach(): Promise<void> } | undefined;
  crashAt: string | undefined;
  /** Counts from the next {@link rebuild} or start on. */
  hasWatchdog = true;

  stores!: Stores;
  queue!: QueueService;
  service!: MindService;
  cares!: Cares;
  readonly #dir: string;
  readonly #config: Config;

  private constructor(dir: string, config: Config) {
    this.#dir = dir;
    this.#config = config;
  }

  static async open(dir: string, settings: Partial<Config> = {}): Promise<MindWorld> {
    const world = new MindWorld(dir, configWith(settings));
    await world.start();
    return world;
  }

  get self(): NodeId {
    return this.stores.nodeId;
  }

  /** A process begins over what lies on the disk. */
  async start(): Promise<void> {
    const { clock } = this;
    this.stores = await openedStores(this.#dir, { clock });
    this.queue = new QueueService({
      store: this.stores.queue,
      clock,
      random: seededRandom(4),
      ids: this.ids,
      node: this.stores.nodeId,
      logger: silentLogger,
    });
    this.#build();
    must(this.service.start());
    must(this.cares.start());
  }

  /** Another service over the same stores, which is not started. */
  rebuild(): void {
    this.#build();
  }

  /** The process ends without a word, and another one begins. */
  async restart(): Promise<void> {
    await this.close();
    this.crashAt = undefined;
    await this.start();
  }

  async close(): Promise<void> {
    await this.service.stop();
    await this.queue.stop();
    await this.stores.close();
  }

  /** Time passes, second by second. */
  async pass(seconds: number): Promise<void> {
    for (let left = seconds; left > 0; left -= 1) {
      this.clock.advance(1_000);
      await this.service.settled();
    }
  }

  /** Until something is so, for a time at most. @returns seconds that it took */
  async until(isSo: () => boolean, limitSeconds = 120): Promise<number> {
    for (let second = 0; second <= limitSeconds; second += 1) {
      if (isSo()) return second;
      await this.pass(1);
    }
    throw new Error(`it was not so within ${limitSeconds} s; the mind is ${this.service.mind.state}`);
  }

  get state(): string {
    return this.service.mind.state;
  }

  /** Remediations that were begun, and what became of them. */
  get treated(): readonly string[] {
    return this.entries.flatMap((entry) => (entry.kind === "treated" ? [entry.remediation] : []));
  }

  verdicts(): readonly (readonly [string, string | null])[] {
    return this.service.mind.treatments.map(({ remediation, verdict }) => [remediation, verdict]);
  }

  /** What the audit log says of remediations. */
  audited(): readonly { readonly action: string; readonly isDone: unknown; readonly what: unknown }[] {
    const rows = must(this.stores.audit.after(0, 1_000));
    return rows
      .filter(({ action }) => action.startsWith("heal."))
      .map(({ action, detail }) => {
        // `as`: written by the healing activity.
        const said = detail as { readonly isDone: unknown; readonly what: unknown };
        return { action, isDone: said.isDone, what: said.what };
      });
  }

  /** The other node claims tasks. */
  async held(count: number, more: Parameters<typeof newTask>[1] = {}): Promise<readonly TaskId[]> {
    const tasks = Array.from({ length: count }, () => newTask(this.ids.task(), { maxAttempts: 20, ...more }));
    must(await this.queue.submit(tasks));
    must(await this.queue.claim({ holder: this.other, limit: count, accepts: acceptsAll }));
    return tasks.map(({ id }) => id);
  }

  async stateOf(id: TaskId): Promise<string> {
    return must(await this.stores.queue.find(id))?.row.state ?? "gone";
  }

  #build(): void {
    const { clock, stores, queue } = this;
    const rules = must(mindRules(this.#config));
    const nowMs = (): number => this.service.nowMs();
    this.cares = new Cares({ journal: stores.mind, rules, detours: this.detours, queue, logger: silentLogger, nowMs });
    const facts = this.#facts();
    const audit = new AuditTrail({ store: stores.audit, clock, logger: silentLogger });
    const healing = new Healing({
      remedies: this.#remedies(),
      healthyAttempts: (fault, target) => facts.healthyAttempts(fault, target),
      audit,
      told: () => undefined,
      clock,
      logger: silentLogger,
    });
    const { executing, improving, contemplating } = this;
    const activities: Activities = { executing, improving, contemplating, healing };
    this.service = new MindService({
      clock,
      logger: silentLogger,
      journal: stores.mind,
      rules,
      facts: async (atMs) => {
        await this.cares.endDue();
        return facts.gather(atMs);
      },
      activities,
      healing,
      alerts: this.#alertsPort(),
      audit,
      told: (entry) => this.entries.push(entry),
      crashPoint: (label) => {
        if (label === this.crashAt) throw new Crash(label);
      },
    });
  }

  #heldParts(): TasksHeldParts {
    const { clock, queue } = this;
    return { self: this.self, queue, clock, silentMs: (node) => this.silenceOf(node) };
  }

  #facts(): FactGatherer {
    const { clock, stores, queue } = this;
    const keys = new KeyActivity();
    queue.store.subscribe((events) => keys.observe(events, clock.monotonicMs()));
    return new FactGatherer({
      config: this.#config,
      self: this.self,
      stateDir: this.#dir,
      clock,
      logger: silentLogger,
      store: queue.store,
      care: {
        ...stores.care,
        check: (name) => {
          const failure = this.brokenDatabases[name];
          return failure === undefined ? stores.care.check(name) : err(failure);
        },
      },
      keys,
      running: () => this.running,
      endpoints: () => this.endpoints,
      ram: () => this.ram,
      disk: () => this.disk,
      replica: () => this.replica ?? { staleMs: 0, isReaching: false },
      clockOffsetMs: () => this.clockOffsetMs,
      held: this.#heldParts(),
      members: () => this.members,
      seams: {
        goals: async () => ok(this.goals),
        improvements: () => ({ sinceScanMs: this.sinceScanMs, sinceProposalMs: this.sinceProposalMs }),
        wakeEvents: { count: () => this.wakeEvents, looked: () => undefined },
        budgets: { leftPercent: () => this.budgets },
        repositories: {
          faults: () => this.repositories.faults(),
          broken: (name) => this.repositories.broken(name),
          conflict: (name) => this.repositories.conflict(name),
        },
      },
    });
  }

  #call(name: string): void {
    this.calls.push(name);
    this.onCall[name.split(" ")[0] ?? ""]?.();
  }

  #remedies() {
    const { stores, queue, clock, cares } = this;
    const called = async (name: string): Promise<Result<number>> => {
      this.#call(name);
      return ok(1);
    };
    return {
      ...hostRemedies({
        self: this.self,
        care: {
          ...stores.care,
          checkpoint: (name) => (this.#call(`checkpoint ${name}`), stores.care.checkpoint(name)),
          compact: (name) => (this.#call(`compact ${name}`), stores.care.compact(name)),
        },
        prune: () => called("prune"),
        restartSelf: this.hasWatchdog ? () => this.#call("restartSelf") : undefined,
        restartOther: (node) => this.restartOther?.(node) ?? called(`restartOther ${node}`),
        replica: {
          reattach: async () => (this.#call("reattach"), this.attached?.reattach()),
          renew: () => this.#call("renew"),
        },
      }),
      ...endpointRemedies({
        config: this.#config,
        clock,
        states: () => this.endpoints,
        probe: async (id) => {
          this.#call(`probe ${id}`);
          const state = this.endpoints.find(({ endpoint }) => endpoint.id === id);
          return state === undefined ? err({ kind: "refused", code: "not_found", message: "none" }) : ok(state);
        },
        unload: async (endpoint, model) => (this.#call(`unload ${endpoint} ${model}`), undefined),
        load: async (endpoint, model) => (this.#call(`load ${endpoint} ${model}`), undefined),
        handOver: cares.handOver,
      }),
      ...taskRemedies({
        queue,
        service: queue,
        held: this.#heldParts(),
        submissionFacts: {
          ids: this.ids,
          executors: ["shell", "ollama", "claude"],
          defaults: { maxAttempts: 3, retryBaseMs: 1_000, retryMaxMs: 60_000 },
        },
        repositories: {
          faults: () => [],
          broken: (name) => this.repositories.broken(name),
          conflict: (name) => this.repositories.conflict(name),
        },
        alerts: this.#alertsPort(),
        clock,
        handOver: cares.handOver,
      }),
    };
  }

  #alertsPort(): Alerts {
    return {
      raise: (alert) => {
        this.alerts.push(alert);
        this.openAlerts.add(alert.key);
      },
      resolve: (key) => void this.openAlerts.delete(key),
    };
  }
}
