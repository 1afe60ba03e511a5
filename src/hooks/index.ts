/** hooks: webhooks that come in, and what goes out to people and other programs. Knows no node, no mind and no storage. */
export {
  type Delivery,
  type DeliveryEnd,
  type DeliveryOutcome,
  type DeliveryQuery,
  KEEP_DELIVERIES_MS,
  MAX_BODIES,
  MAX_DELIVERIES,
  type NewDelivery,
  type WebhookDeliveries,
} from "./incoming/delivery.ts";
export type { GoalSubmissions, WebhookGoal } from "./incoming/goal.ts";
export { type Received, type SourceStanding, WebhookReceiver } from "./incoming/receiver.ts";
export { SOURCE_KINDS, type SourceKind, type WebhookSource } from "./incoming/source.ts";
export { signBody } from "./signature.ts";
