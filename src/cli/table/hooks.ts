import { type Command, command } from "../parsing/command.ts";
import { text, whole } from "../parsing/option.ts";

const DELIVERY = { name: "N", description: "As drover webhook deliveries lists it" } as const;
const MAX_LISTED = 500;

export const HOOK_COMMANDS: readonly Command[] = [
  command({
    name: "webhook list",
    section: "Webhooks and notices",
    summary: "List who may deliver webhooks, and what was not believed",
    notes: ["Sources are configured under webhooks.sources; each delivers to /api/webhooks/NAME."],
    load: async () => (await import("../commands/webhooks.ts")).webhookList,
  }),
  command({
    name: "webhook deliveries",
    section: "Webhooks and notices",
    summary: "List webhooks that came in and what followed",
    options: {
      source: text("NAME", "Only of this source"),
      limit: whole("N", "At most this many", { least: 1, most: MAX_LISTED }, { shownDefault: "50" }),
    },
    load: async () => (await import("../commands/webhooks.ts")).webhookDeliveries,
  }),
  command({
    name: "webhook show",
    section: "Webhooks and notices",
    summary: "Show one webhook with its body",
    arguments: [DELIVERY],
    load: async () => (await import("../commands/webhooks.ts")).webhookShow,
  }),
  command({
    name: "webhook redeliver",
    section: "Webhooks and notices",
    summary: "Let webhooks have their effects again, decided anew",
    notes: ["Only those whose bodies are kept. An issue that has become a goal stays that one goal."],
    arguments: [{ ...DELIVERY, variadic: true }],
    load: async () => (await import("../commands/webhooks.ts")).webhookRedeliver,
  }),
  command({
    name: "notify list",
    section: "Webhooks and notices",
    summary: "List the channels by which people are told, and how they fare",
    notes: ["Channels are configured under notify.channels: ntfy, http, webhook, smtp, webpush."],
    load: async () => (await import("../commands/notices.ts")).notifyList,
  }),
  command({
    name: "notify test",
    section: "Webhooks and notices",
    summary: "Send a test by channels at once, and say whether it was taken",
    arguments: [{ name: "CHANNEL", description: "As drover notify list shows it", variadic: true }],
    load: async () => (await import("../commands/notices.ts")).notifyTest,
  }),
  command({
    name: "notify history",
    section: "Webhooks and notices",
    summary: "List what was told and what waits, the newest first",
    options: {
      channel: text("NAME", "Only by this channel"),
      limit: whole("N", "At most this many", { least: 1, most: MAX_LISTED }, { shownDefault: "50" }),
    },
    load: async () => (await import("../commands/notices.ts")).notifyHistory,
  }),
];
