/** Joins the room hooks to the configuration, the databases and the rest of this node. */
import type { NoticePort, WebhookPort } from "#api";
import { type Clock, err, type JsonValue, type Logger, type Random, type Result, refused } from "#base";
import type { FleetNode } from "#fleet";
import { type GoalSubmissions, type NameRepository, type Notices, Notifier, WebhookReceiver } from "#hooks";
import type { Stores } from "#store";
import type { AlertBook } from "#telemetry";
import type { Config } from "../config/settings.ts";
import { openChannel } from "./channels.ts";
import { followSources, noticeOfAlert } from "./notice-sources.ts";
import { readSecrets } from "./secret-file.ts";

export type HookParts = {
  readonly config: Config;
  readonly stateDir: string;
  readonly stores: Pick<Stores, "webhookDeliveries" | "notices" | "queue" | "nodeId">;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The mind of this node. */
  readonly wake: (reason: string) => void;
  /** Undefined where this node takes no goals. */
  readonly goals: GoalSubmissions | undefined;
  readonly nameRepository: NameRepository;
  readonly alerts: Pick<AlertBook, "onChange">;
  /** Whether this node speaks for its fleet: it is the hub, or alone. */
  readonly isLeader: boolean;
  readonly nodes: () => readonly FleetNode[];
  readonly releases: () => Promise<Result<JsonValue>>;
};

export type Hooks = {
  readonly ports: { readonly webhooks: WebhookPort; readonly notices: NoticePort };
  /** For whoever has something to tell: the mind that holds or asks, a goal that ended. */
  readonly notices: Notices;
  /** What the mind is told of webhooks. */
  readonly wakeEvents: { readonly count: () => number; readonly looked: () => void };
  readonly start: () => void;
  readonly stop: () => Promise<void>;
};

export function openHooks(parts: HookParts): Hooks {
  const { config, stateDir, stores, nodeName, clock, random, logger } = parts;
  const receiver = receiverOf(parts);
  const notifier = new Notifier({
    channels: config["notify.channels"].map((channel) => openChannel(channel, { stateDir, clock })),
    outbox: stores.notices,
    node: nodeName,
    clock,
    random,
    logger,
  });
  let ends: readonly (() => void)[] = [];
  return {
    ports: { webhooks: webhookPort(receiver, config["webhooks.max_body_bytes"]), notices: noticePort(notifier) },
    notices: notifier,
    wakeEvents: { count: () => receiver.unlooked(), looked: () => receiver.looked() },
    start: () => {
      receiver.start();
      notifier.start();
      // A node with nobody to tell follows nothing.
      if (config["notify.channels"].length > 0) ends = tellAll(parts, notifier);
    },
    stop: async () => {
      for (const end of ends) end();
      await Promise.all([receiver.stop(), notifier.stop()]);
    },
  };
}

function tellAll(parts: HookParts, notices: Notices): readonly (() => void)[] {
  const { config, stores, alerts } = parts;
  const stopAlerts = alerts.onChange((news) => {
    const notice = noticeOfAlert(news);
    if (notice !== undefined) notices.notify(notice);
  });
  const stopSources = followSources({
    ...parts,
    notices,
    outbox: stores.notices,
    store: stores.queue,
    self: stores.nodeId,
    leaseMs: config["fleet.lease_ms"],
  });
  return [stopAlerts, stopSources];
}

function webhookPort(receiver: WebhookReceiver, maxBodyBytes: number): WebhookPort {
  return {
    maxBodyBytes,
    receive: (source, header, body) => receiver.receive(source, header, body),
    redeliver: (n) => receiver.redeliver(n),
    standing: () => receiver.standing(),
    list: (query) => receiver.list(query),
    find: (n) => receiver.find(n),
  };
}

function noticePort(notifier: Notifier): NoticePort {
  return {
    standing: () => notifier.standing(),
    test: (channel) => notifier.test(channel),
    list: (query) => notifier.list(query),
  };
}

function receiverOf({ config, stores, clock, logger, wake, goals, nameRepository }: HookParts): WebhookReceiver {
  const sources = config["webhooks.sources"];
  return new WebhookReceiver({
    sources: sources.map(({ name, kind, repositories, goal_label, goal_tokens, senders }) => ({
      name,
      kind,
      repositories,
      goalLabel: goal_label ?? null,
      senders,
      goalTokens: goal_tokens,
    })),
    secretsOf: (name): Result<readonly string[]> => {
      const file = sources.find((source) => source.name === name)?.secret_file;
      return file === undefined ? err(refused("not_found", `there is no source ${name}`)) : readSecrets(file);
    },
    deliveries: stores.webhookDeliveries,
    wake,
    goals,
    nameRepository,
    toleranceMs: config["webhooks.tolerance_ms"],
    clock,
    logger,
  });
}
