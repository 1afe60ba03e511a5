/** Joins the room hooks to the configuration, the databases and the rest of this node. */
import type { WebhookPort } from "#api";
import { type Clock, err, type Logger, type Result, refused } from "#base";
import { type GoalSubmissions, WebhookReceiver } from "#hooks";
import type { Stores } from "#store";
import type { Config } from "../config/settings.ts";
import { readSecrets } from "./secret-file.ts";

export type HookParts = {
  readonly config: Config;
  readonly stores: Stores;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The mind of this node. */
  readonly wake: (reason: string) => void;
  readonly goals: GoalSubmissions | undefined;
};

export type Hooks = {
  readonly port: WebhookPort;
  /** What the mind is told of it. */
  readonly wakeEvents: { readonly count: () => number; readonly looked: () => void };
  readonly start: () => void;
  readonly stop: () => Promise<void>;
};

export function openHooks(parts: HookParts): Hooks {
  const receiver = receiverOf(parts);
  return {
    port: {
      maxBodyBytes: parts.config["webhooks.max_body_bytes"],
      receive: (source, header, body) => receiver.receive(source, header, body),
      redeliver: (n) => receiver.redeliver(n),
      standing: () => receiver.standing(),
      list: (query) => receiver.list(query),
      find: (n) => receiver.find(n),
    },
    wakeEvents: { count: () => receiver.unlooked(), looked: () => receiver.looked() },
    start: () => receiver.start(),
    stop: () => receiver.stop(),
  };
}

function receiverOf({ config, stores, clock, logger, wake, goals }: HookParts): WebhookReceiver {
  const sources = config["webhooks.sources"];
  return new WebhookReceiver({
    sources: sources.map(({ name, kind, repositories, goal_label, senders }) => ({
      name,
      kind,
      repositories,
      goalLabel: goal_label ?? null,
      senders,
    })),
    secretsOf: (name): Result<readonly string[]> => {
      const file = sources.find((source) => source.name === name)?.secret_file;
      return file === undefined ? err(refused("not_found", `there is no source ${name}`)) : readSecrets(file);
    },
    deliveries: stores.webhookDeliveries,
    wake,
    goals,
    toleranceMs: config["webhooks.tolerance_ms"],
    clock,
    logger,
  });
}
