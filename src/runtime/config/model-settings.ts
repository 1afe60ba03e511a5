/** Settings of endpoints, tiers, the sandbox, limits of the tool loop, and money. */

import { z } from "zod";
import type { EndpointKind } from "#hw";
import type { BudgetAction } from "#scheduler";
import { count, durationMs, label, setting } from "./setting.ts";

const MAX_TEXT = 4_096;
const ALLOWED_HOST = /^(\*\.)?(\[[0-9A-Fa-f:.]+\]|[^:\s/*]+)(:\d{1,5})?$/;
/** The instructions, the tools and the shortest task take 1,200 tokens, and a reply a quarter of it. */
const MIN_CONTEXT_TOKENS = 2_048;
// Written out, and complete by their types: the watchdog reads these settings too, and loads neither hw nor scheduler.
const ENDPOINT_KINDS = { ollama: "ollama", openai: "openai", anthropic: "anthropic" } as const satisfies {
  readonly [K in EndpointKind]: K;
};
const BUDGET_ACTIONS = { warn: "warn", localOnly: "localOnly", queue: "queue", refuse: "refuse" } as const satisfies {
  readonly [A in BudgetAction]: A;
};
const modelName = z.string().min(1).max(200);
const modelNames = z.array(modelName).max(20);
const microdollars = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const tokens = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const dollarsPerMillion = z.number().min(0).max(1_000_000);

const stateLimits = z.strictObject({
  hour_tokens: tokens.optional(),
  day_tokens: tokens.optional(),
  hour_microdollars: microdollars.optional(),
  day_microdollars: microdollars.optional(),
});

const endpoint = z.strictObject({
  url: z.string().min(1).max(2_048),
  kind: z.enum(ENDPOINT_KINDS).default("ollama"),
  name: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, "use letters, digits, dot, dash, underscore; at most 63")
    .optional(),
  api_key_file: z.string().min(1).max(MAX_TEXT).optional(),
  labels: z.record(label, label).default({}),
  parallel: z.int().min(1).max(1_024).optional(),
  models: z.array(modelName).max(100).default([]),
  vram_bytes: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  restart_command: z.array(z.string().min(1).max(MAX_TEXT)).min(1).max(100).optional(),
});

const price = z.strictObject({
  input: dollarsPerMillion,
  output: dollarsPerMillion,
  cached: dollarsPerMillion.optional(),
});

export const MODEL_SETTINGS = {
  endpoints: setting(z.array(endpoint).max(100), [], "servers that run models, besides those found on this host"),
  "hw.discover": setting(z.boolean(), true, "look for model servers on this host, at start and every minute"),
  "tiers.trivial.models": setting(
    modelNames,
    [],
    "models for trivial tasks, best first; empty: by size of those there are",
  ),
  "tiers.standard.models": setting(modelNames, [], "models for standard tasks, best first; empty: by size"),
  "tiers.complex.models": setting(modelNames, [], "models for complex tasks, best first; empty: by size"),
  "executor.ollama.concurrency": setting(
    z.int().min(0).max(4_096),
    4,
    "attempts of the tool loop at once; 0: none here",
  ),
  "executor.ollama.allow_spill": setting(z.boolean(), false, "use a model that fits only partly into VRAM"),
  "executor.claude.models": setting(modelNames, [], "Claude models, best first; empty: those the endpoint lists"),
  "executor.claude.fallback": setting(z.boolean(), false, "let Claude take tasks that no local model can"),
  "executor.claude.command": setting(
    z.string().max(MAX_TEXT),
    "",
    "path of an installed claude command to use instead of the API",
  ),
  "sandbox.mode": setting(z.enum(["auto", "strict", "kernel", "limits"]), "auto", "how commands of tasks are confined"),
  "sandbox.network": setting(z.enum(["none", "allow"]), "none", "network of commands: none, or the hosts allowed"),
  "sandbox.allow_hosts": setting(
    z.array(z.string().max(255).regex(ALLOWED_HOST, "write example.org, *.example.org or example.org:8443")).max(256),
    [],
    "hosts commands may reach with network allow",
  ),
  "sandbox.user": setting(z.string().max(64), "nobody", "who commands run as when drover runs as root"),
  "sandbox.allow_unsandboxed": setting(z.boolean(), false, "run commands where the kernel offers no sandbox"),
  "limits.trivial.iterations": setting(count(1_000), 5, "rounds of the tool loop for a trivial task"),
  "limits.standard.iterations": setting(count(1_000), 10, "rounds of the tool loop for a standard task"),
  "limits.complex.iterations": setting(count(1_000), 20, "rounds of the tool loop for a complex task"),
  "limits.trivial.tokens": setting(count(1_000_000_000), 50_000, "tokens of one attempt at a trivial task"),
  "limits.standard.tokens": setting(count(1_000_000_000), 200_000, "tokens of one attempt at a standard task"),
  "limits.complex.tokens": setting(count(1_000_000_000), 1_000_000, "tokens of one attempt at a complex task"),
  "limits.trivial.cost_microdollars": setting(
    microdollars,
    0,
    "money for one attempt at a trivial task, in millionths of a dollar; 0: no limit",
  ),
  "limits.trivial.wall_time_ms": setting(
    durationMs.or(z.literal(0)),
    0,
    "wall time of one attempt at a trivial task; 0: limits.wall_time_ms",
  ),
  "limits.standard.cost_microdollars": setting(
    microdollars,
    0,
    "money for one attempt at a standard task, in millionths of a dollar; 0: no limit",
  ),
  "limits.standard.wall_time_ms": setting(
    durationMs.or(z.literal(0)),
    0,
    "wall time of one attempt at a standard task; 0: limits.wall_time_ms",
  ),
  "limits.complex.cost_microdollars": setting(
    microdollars,
    0,
    "money for one attempt at a complex task, in millionths of a dollar; 0: no limit",
  ),
  "limits.complex.wall_time_ms": setting(
    durationMs.or(z.literal(0)),
    0,
    "wall time of one attempt at a complex task; 0: limits.wall_time_ms",
  ),
  "limits.context_tokens": setting(
    z.int().min(MIN_CONTEXT_TOKENS).max(10_000_000),
    8_192,
    "context a conversation of the tool loop is kept within",
  ),
  "limits.self_corrections": setting(
    z.int().min(0).max(10),
    2,
    "times a failed verification goes back to the model, for a task that does not say",
  ),
  "inference.first_token_ms": setting(durationMs, 600_000, "the longest wait for the first token, loading included"),
  "inference.between_tokens_ms": setting(
    durationMs,
    90_000,
    "the longest silence within a reply; five times that where tools are offered",
  ),
  "inference.total_ms": setting(durationMs, 1_800_000, "the longest reply"),
  "inference.queue_ms": setting(durationMs, 600_000, "the longest wait for a free model"),
  "inference.keep_alive_s": setting(
    z.int().min(-1).max(31_536_000).nullable(),
    null,
    "seconds a model stays loaded after a reply, -1 for ever; unset: as its server decides",
  ),
  "budgets.hour_microdollars": setting(
    microdollars,
    0,
    "money for models in any hour, in millionths of a dollar; 0: no limit",
  ),
  "budgets.day_microdollars": setting(microdollars, 0, "money for models in any day; 0: no limit"),
  "budgets.hour_tokens": setting(tokens, 0, "tokens in any hour; 0: no limit"),
  "budgets.day_tokens": setting(tokens, 0, "tokens in any day; 0: no limit"),
  "budgets.action": setting(z.enum(BUDGET_ACTIONS), "localOnly", "what a budget that is used up does to requests"),
  "budgets.states": setting(
    z.partialRecord(z.enum(["executing", "improving", "contemplating", "healing"]), stateLimits),
    {},
    "what states of the mind may spend: hour_tokens, day_tokens, hour_microdollars, day_microdollars of each",
  ),
  "budgets.state_action": setting(
    z.enum(["pause", "localOnly", "warn"]),
    "pause",
    "what a state of the mind does that has spent its budget: begin nothing, ask local models alone, or go on",
  ),
  "budgets.prices": setting(
    z.record(modelName, price),
    {},
    "dollars per million tokens by model; a name that ends in * means all that begin so",
  ),
  "budgets.dollars_per_kwh": setting(
    z.number().min(0).max(1_000),
    0,
    "price of electricity, for the cost of local models; 0: not counted",
  ),
} as const;
