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
export type { GoalSubmissions, NameRepository, WebhookGoal } from "./incoming/goal.ts";
export { type Received, type SourceStanding, WebhookReceiver } from "./incoming/receiver.ts";
export { SOURCE_KINDS, type SourceKind, type WebhookSource } from "./incoming/source.ts";
export { jsonSender, ntfySender, type ReadSecret, webhookSender } from "./outgoing/io/http-senders.ts";
export { mailSender } from "./outgoing/io/mail-sender.ts";
export { encryptPush, makeVapidKey, vapidPublicKey } from "./outgoing/io/push-encryption.ts";
export { type PushSubscription, pushSender } from "./outgoing/io/push-sender.ts";
export type { OutgoingMessage } from "./outgoing/message.ts";
export {
  NOTICE_KINDS,
  type Notice,
  type NoticeKind,
  type Notices,
  SEVERITIES,
  type Severity,
} from "./outgoing/notice.ts";
export { type Channel, type ChannelSender, type ChannelStanding, Notifier, type Sent } from "./outgoing/notifier.ts";
export {
  type ChannelCounts,
  type KeptNotice,
  MAX_HISTORY,
  MAX_WAITING,
  type NoticeOutbox,
  type NoticeQuery,
} from "./outgoing/outbox.ts";
export {
  type ChannelPolicy,
  nextStep,
  quietUntilMs,
  retryDelayMs,
  type WaitingNotice,
  wants,
} from "./outgoing/policy.ts";
export { signBody } from "./signature.ts";
