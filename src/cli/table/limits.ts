import { err, ok } from "#base";
import { type Command, command } from "../parsing/command.ts";
import { value, whole } from "../parsing/option.ts";

const MAX_PER_SECOND = 1_000_000;
const MAX_BURST = 2_000_000;
const MIN_BURST = 5;
const TIER = { name: "TIER", description: "As drover limits list shows it" } as const;

export const LIMIT_COMMANDS: readonly Command[] = [
  command({
    name: "limits list",
    section: "Node",
    summary: "List how often clients of each tier may ask the node",
    notes: [
      "A tier is the kind of caller: who asks for health, strangers, joining nodes, senders of webhooks,",
      "nodes of the fleet by their role, and holders of the token by whether they read, write or follow.",
    ],
    load: async () => (await import("../commands/limits.ts")).limitsList,
  }),
  command({
    name: "limits set",
    section: "Node",
    summary: "Set the limit of a tier, at once and over restarts",
    notes: ["It goes before the configuration. Each node has limits of its own."],
    arguments: [TIER],
    options: {
      perSecond: value("N", "Requests a second of one client", (given) => {
        const rate = Number(given);
        return /^\d+(\.\d+)?$/.test(given) && rate >= 1 && rate <= MAX_PER_SECOND
          ? ok(rate)
          : err(`must be a number from 1 to ${MAX_PER_SECOND}, not "${given}"`);
      }),
      burst: whole(
        "N",
        "Requests that may come at once",
        { least: MIN_BURST, most: MAX_BURST },
        { shownDefault: "twice --per-second" },
      ),
    },
    examples: [{ line: "drover limits set read --per-second 200", does: "Hold a busy script back" }],
    load: async () => (await import("../commands/limits.ts")).limitsSet,
  }),
  command({
    name: "limits unset",
    section: "Node",
    summary: "Let the configuration decide on a tier again",
    arguments: [TIER],
    load: async () => (await import("../commands/limits.ts")).limitsUnset,
  }),
];
