import { err, ok } from "#base";
import { parseBytes } from "../output/quantities.ts";
import { type Command, command } from "../parsing/command.ts";
import { choice, flag, list, pairs, text, value, whole } from "../parsing/option.ts";
import { TIER_WORDS } from "./words.ts";

const KINDS = ["ollama", "openai", "anthropic"] as const;

const GROUPS = ["day", "hour", "model", "endpoint", "attempt", "task", "goal", "purpose", "tier"] as const;
const TOKENS = { least: 1, most: 10_000_000 };

/** The API's own notation for a span, passed on as it is. */
const SPAN = (given: string) =>
  /^\d{1,6}[smhd]$/.test(given) ? ok(given) : err(`must be a number with s, m, h or d, such as 24h, not "${given}"`);

const BYTES = (given: string) => {
  const bytes = parseBytes(given);
  return bytes === null ? err(`must be a size such as 24G or 512M, not "${given}"`) : ok(bytes);
};

export const MODEL_COMMANDS: readonly Command[] = [
  command({
    name: "hw",
    section: "Models",
    summary: "Show processor, memory and graphics cards, as they are available to drover",
    options: { history: value("TIME", "Instead each minute within this time, the latest last", SPAN) },
    examples: [{ line: "drover hw --history 2h", does: "See when this host was busy" }],
    load: async () => (await import("../commands/hardware.ts")).hardware,
  }),
  command({
    name: "endpoints list",
    section: "Models",
    summary: "List servers that run models, with health and load",
    notes: ["`drover endpoints` means the same."],
    load: async () => (await import("../commands/endpoints.ts")).endpointsList,
  }),
  command({
    name: "endpoints add",
    section: "Models",
    summary: "Add a server that runs models",
    arguments: [{ name: "URL", description: "Its address, such as http://192.168.1.20:11434" }],
    options: {
      kind: choice(KINDS, "What it speaks", { shownDefault: "ollama" }),
      name: text("NAME", "Its id in lists", { shownDefault: "made from the address" }),
      keyFile: text("FILE", "File on the node's host that holds the key"),
      parallel: whole("N", "Requests that one model answers at once", { least: 1, most: 1_024 }),
      vram: value("SIZE", "Memory of its graphics cards, for a server elsewhere; 0 without any", BYTES),
      model: list("MODEL", "Use it for this model only; may be repeated"),
      label: pairs("NAME=VALUE", "A label"),
    },
    examples: [
      { line: "drover endpoints add http://gaming-pc:11434 --parallel 2", does: "Use another machine's Ollama" },
      { line: "drover endpoints add http://gpu-box:11434 --vram 24G", does: "Say what fits there" },
    ],
    load: async () => (await import("../commands/endpoints.ts")).endpointsAdd,
  }),
  command({
    name: "endpoints remove",
    section: "Models",
    summary: "Remove servers that were added",
    arguments: [{ name: "ID", description: "Ids of endpoints", variadic: true }],
    load: async () => (await import("../commands/endpoints.ts")).endpointsRemove,
  }),
  command({
    name: "endpoints probe",
    section: "Models",
    summary: "Look at servers now",
    arguments: [{ name: "ID", description: "Ids of endpoints; all without one", variadic: true, optional: true }],
    load: async () => (await import("../commands/endpoints.ts")).endpointsProbe,
  }),
  command({
    name: "models",
    section: "Models",
    summary: "List all models, where they are loaded, and how often they pass",
    load: async () => (await import("../commands/models.ts")).models,
  }),
  command({
    name: "route explain",
    section: "Models",
    summary: "Show where a request would go now, and why",
    arguments: [{ name: "PROMPT", description: "The prompt", optional: true }],
    options: {
      model: list("MODEL", "Models in order of preference; may be repeated"),
      tier: choice(TIER_WORDS, "Complexity, instead of what the prompt suggests"),
      kind: choice(KINDS, "Only endpoints of this kind"),
      tools: flag("The model must be able to call tools"),
      promptTokens: whole("N", "Size of the prompt, instead of a prompt", TOKENS),
      outputTokens: whole("N", "Size of the reply", TOKENS),
      contextTokens: whole("N", "Context that is needed", TOKENS),
      allowSpill: flag("Also models that fit only partly into VRAM"),
    },
    examples: [
      { line: 'drover route explain "Fix the failing test" --tools', does: "Every candidate, with its expected time" },
    ],
    load: async () => (await import("../commands/models.ts")).routeExplain,
  }),
  command({
    name: "usage",
    section: "Models",
    summary: "Show tokens, money and energy that models used, and the budgets",
    options: {
      by: choice(GROUPS, "What to sum by", { shownDefault: "day" }),
      since: value("TIME", "Within this time", SPAN, { shownDefault: "7d" }),
      task: text("ID", "Only this task"),
    },
    load: async () => (await import("../commands/models.ts")).usage,
  }),
];
