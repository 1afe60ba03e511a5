import type { NoticePort, WebhookPort } from "#api";
import { err, ok, refused } from "#base";

/** Of a node to which nobody may deliver webhooks. */
export const noWebhooks: WebhookPort = {
  maxBodyBytes: 1_024,
  receive: async () => ({ kind: "unauthorized" }),
  redeliver: async () => err(refused("not_found", "this node keeps no webhooks")),
  standing: () => [],
  list: () => ok([]),
  find: () => ok(undefined),
};

/** Of a node that tells nobody anything. */
export const noNotices: NoticePort = {
  standing: () => ok([]),
  test: async () => err(refused("not_found", "this node has no channels")),
  list: () => ok([]),
};
