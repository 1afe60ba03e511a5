import type { NoticeOutbox, WebhookDeliveries } from "#hooks";
import type { Connection } from "../connection.ts";
import { LibsqlNoticeOutbox } from "./notice-outbox.ts";
import { LibsqlRateLimits, type RateLimitOverrides } from "./rate-limits.ts";
import { LibsqlWebhookDeliveries } from "./webhook-deliveries.ts";

/** What a node keeps in its own database of who calls it and whom it calls. */
export type HookStores = {
  /** Webhooks that came to this node. */
  readonly webhookDeliveries: WebhookDeliveries;
  /** What people and other programs are told. */
  readonly notices: NoticeOutbox;
  /** How often the API may be asked, where a person said otherwise. */
  readonly rateLimits: RateLimitOverrides;
};

/** @param node node.db */
export function openHookStores(node: Connection): HookStores {
  return {
    webhookDeliveries: new LibsqlWebhookDeliveries(node),
    notices: new LibsqlNoticeOutbox(node),
    rateLimits: new LibsqlRateLimits(node),
  };
}
