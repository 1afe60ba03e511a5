/** What a node writes down of its decisions, and what it tells a person. */
import { type Clock, describeFailure, err, type JsonObject, type Logger, ok, type Result, refused } from "#base";
import { type PartReader, speaks } from "#fleet";
import type { Queue } from "#queue";
import type { Stores } from "#store";
import {
  AlertBook,
  type AlertNews,
  AuditTrail,
  MetricRegistry,
  RULE_NAMES,
  RULES_SOURCE,
  type RuleChange,
  type RuleName,
  RuleWatch,
  ruleFault,
  rulesWith,
} from "#telemetry";
import type { Config } from "../config/settings.ts";
import type { ObservedInference } from "../models/observed-inference.ts";
import type { Spending } from "../models/spending.ts";
import { realRandom } from "../real-clock.ts";
import { repeat } from "../repeat.ts";
import { version } from "../version.ts";
import { OtlpExporter } from "./otlp-exporter.ts";
import { type ReadingParts, RuleReadings } from "./readings.ts";
import { StateSpending, type StateView } from "./state-spending.ts";
import { ToldTasks } from "./told-tasks.ts";

export type TelemetryParts = {
  readonly config: Config;
  readonly stores: Pick<Stores, "audit" | "alerts">;
  readonly queue: Queue;
  readonly models: {
    readonly spending: Pick<Spending, "alsoAdmit">;
    readonly inference: Pick<ObservedInference, "onCall">;
  };
  /** Steps of tool loops. */
  readonly steps: Pick<PartReader, "read">;
  readonly readings: Omit<ReadingParts, "config" | "queue" | "auditWaiting" | "stateBudgets" | "clock">;
  /** This node, in the history of a fleet. */
  readonly nodeName: string;
  /** At which the fleet works now. */
  readonly featureLevel: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
};

export type NodeTelemetry = {
  readonly audit: AuditTrail;
  readonly alerts: AlertBook;
  /** What is looked at, and what it was at the last look. */
  readonly watch: RuleWatch;
  /** What the states of the mind may spend. */
  readonly spending: StateSpending;
  readonly metrics: MetricRegistry;
  readonly start: () => void;
  readonly stop: () => Promise<void>;
};

/** What could not be written is tried again, and old rows go. */
const KEEP_EVERY_MS = 60_000;
/** Figures of the rules are those of minutes. */
const LOOK_EVERY_MS = 15_000;

export function openTelemetry(parts: TelemetryParts): NodeTelemetry {
  const { stores, clock, logger } = parts;
  const audit = new AuditTrail({ store: stores.audit, clock, logger });
  const alerts = new AlertBook({ store: stores.alerts, clock, logger });
  const loaded = alerts.load();
  if (!loaded.ok) logger.error("open alerts could not be read", { failure: describeFailure(loaded.error) });
  alerts.onChange((news) => tell(parts, audit, news));
  const { config, queue } = parts;
  const auditWaiting = (): number => audit.figures.waiting;
  const spending = new StateSpending({ config, queue, clock, logger });
  parts.models.spending.alsoAdmit((context) => spending.admit(context));
  const stateBudgets = (): readonly StateView[] => spending.view();
  const readings = new RuleReadings({ ...parts.readings, config, queue, auditWaiting, stateBudgets, clock });
  const watch = new RuleWatch(soundRules(config, logger), alerts, alerts.open().filter(isOfRules));
  const look = async (): Promise<void> => {
    try {
      await spending.look();
      watch.look(await readings.read(), clock.monotonicMs());
    } catch (cause) {
      logger.error("a look at the alert rules failed by a bug", { cause: String(cause) });
    }
  };
  const metrics = new MetricRegistry();
  const otlp = openOtlp(parts, metrics);
  const timers = [
    repeat(clock, KEEP_EVERY_MS, async () => {
      keep(parts, audit, alerts);
      return KEEP_EVERY_MS;
    }),
    repeat(clock, 0, async () => {
      await look();
      return LOOK_EVERY_MS;
    }),
  ];
  return {
    audit,
    alerts,
    watch,
    spending,
    metrics,
    start: () => {
      otlp?.start();
      const bounds = stores.audit.bounds();
      // Whoever keeps the node's log can tell later whether the chain was written anew.
      if (bounds.ok) logger.info("the audit log stands here", { ...bounds.value.head });
      for (const timer of timers) timer.start();
    },
    stop: async () => {
      readings.stop();
      await Promise.all(timers.map((timer) => timer.stop()));
      audit.flush();
      alerts.flush();
      await otlp?.stop();
    },
  };
}

/** Undefined where nobody collects. */
function openOtlp(parts: TelemetryParts, metrics: MetricRegistry) {
  const { config, queue, models, steps, clock, logger, readings } = parts;
  const url = config["telemetry.otlp.url"];
  if (url === "") return undefined;
  const attributes = {
    "service.name": "drover",
    "service.version": version,
    "service.instance.id": readings.self,
    "host.name": parts.nodeName,
  };
  const exporter = new OtlpExporter({
    url,
    headersFile: config["telemetry.otlp.headers_file"],
    metricsEveryMs: config["telemetry.otlp.metrics_every_ms"],
    teller: { attributes, version },
    families: () => metrics.collect(),
    clock,
    random: realRandom(),
    logger,
    fetch: (to, init) => fetch(to, init),
  });
  const told = new ToldTasks({
    queue,
    self: readings.self,
    isWriter: readings.isWriter,
    steps,
    onCall: (listener) => models.inference.onCall(listener),
    add: (span) => exporter.add(span),
    logger,
  });
  const spans = metrics.gauge("drover_otlp_spans", "Spans for the collector since the start, by what became of them");
  metrics.onScrape(() => {
    for (const [outcome, count] of Object.entries(exporter.figures)) spans.set(count, { outcome });
  });
  return {
    start: () => exporter.start(),
    stop: async (): Promise<void> => {
      told.stop();
      await exporter.stop();
    },
  };
}

function isOfRules({ source }: { readonly source: string }): boolean {
  return source === RULES_SOURCE;
}

/** Whether the configured thresholds can be. */
export function checkRules(config: Config): Result<void> {
  const [first] = ruleFaults(config);
  if (first === undefined) return ok(undefined);
  return err(refused("invalid", `alerts.rules.${first.name}: ${first.fault}`, "See what they are: drover alert rules"));
}

/** @returns what is wrong with the configured thresholds. */
function ruleFaults(config: Config): readonly { readonly name: RuleName; readonly fault: string }[] {
  return RULE_NAMES.flatMap((name) => {
    const change = config["alerts.rules"][name];
    const fault = change === undefined ? undefined : ruleFault(name, change);
    return fault === undefined ? [] : [{ name, fault }];
  });
}

/** Thresholds that cannot be are left as they are by default: a node does not stay away for that. */
function soundRules(config: Config, logger: Logger) {
  const changes: Partial<Record<RuleName, RuleChange>> = { ...config["alerts.rules"] };
  for (const { name, fault } of ruleFaults(config)) {
    logger.error("thresholds of alerts.rules are not used", { rule: name, why: fault });
    delete changes[name];
  }
  return rulesWith(changes);
}

function keep({ config, stores, clock, logger }: TelemetryParts, audit: AuditTrail, alerts: AlertBook): void {
  const nowMs = clock.nowMs();
  audit.flush();
  alerts.flush();
  const cut = stores.audit.cut({ beforeMs: nowMs - config["audit.keep_ms"], maxRows: config["audit.max_rows"] }, nowMs);
  const pruned = stores.alerts.prune(nowMs - config["alerts.keep_ms"], config["alerts.max_resolved"]);
  for (const done of [cut, pruned]) {
    if (!done.ok) logger.warn("old rows were not removed", { failure: describeFailure(done.error) });
  }
}

function tell(parts: TelemetryParts, audit: AuditTrail, { change, alert }: AlertNews): void {
  const { queue, logger, nodeName, featureLevel } = parts;
  const { id, key, severity, title, message, source, acknowledgedBy, note } = alert;
  logger.warn(`alert ${change}: ${title}`, { alert: key, severity, why: message });
  if (change === "acknowledged") {
    const actor = acknowledgedBy ?? "operator";
    audit.append({ actor, action: "alert.acknowledged", subject: key, reason: note ?? title, detail: { id } });
  }
  // A hub of an older release would refuse the command.
  if (!speaks(featureLevel(), "alerts")) return;
  const data: JsonObject = { node: nodeName, id, key, severity, title, message, source };
  void queue.announce(`alert.${change}`, data).then((told) => {
    if (!told.ok) logger.warn("an alert is not in the history", { alert: key, failure: describeFailure(told.error) });
  });
}
