import type { Client, SuccessOf } from "../connection/api.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { bytesText, instantText, moneyText, plural } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { CANDIDATE_COLUMNS } from "../tasks/decision-text.ts";

type Model = SuccessOf<Awaited<ReturnType<Client["api"]["models"]["$get"]>>>["models"][number];
type Usage = SuccessOf<Awaited<ReturnType<Client["api"]["usage"]["$get"]>>>;

const JOULES_PER_WH = 3_600;

export const models: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const found = await api.value.ask("list models", (client) => client.api.models.$get());
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else if (found.value.models.length === 0) console.note("No endpoint offers a model. See: drover endpoints list");
  else console.table(found.value.models, MODEL_COLUMNS);
  return EXIT.ok;
};

const MODEL_COLUMNS: readonly Column<Model>[] = [
  { title: "MODEL", value: ({ name }) => name },
  { title: "SIZE", value: ({ sizeBytes }) => (sizeBytes === null ? "-" : bytesText(sizeBytes)), align: "right" },
  { title: "PARAMETERS", value: ({ parameterSize }) => parameterSize ?? "-", align: "right", optional: true },
  { title: "QUANTIZATION", value: ({ quantization }) => quantization ?? "-", optional: true },
  {
    title: "CONTEXT",
    value: ({ contextLength }) => (contextLength === null ? "-" : String(contextLength)),
    align: "right",
    optional: true,
  },
  { title: "PASSES", value: ({ passRates }) => passRates.map(passText).join(", ") || "-", optional: true },
  { title: "CAN", value: ({ capabilities }) => capabilities?.join(", ") ?? "?", shrinks: true, optional: true },
  {
    title: "ON",
    value: ({ endpoints }) => endpoints.map(({ id, isLoaded }) => (isLoaded ? `${id} (loaded)` : id)).join(", "),
    shrinks: true,
  },
];

function passText({ tier, samples, passRatio }: Model["passRates"][number]): string {
  return `${tier} ${Math.round(100 * passRatio)} % of ${samples}`;
}

type ExplainFlags = {
  readonly model: readonly string[];
  readonly tier: "trivial" | "standard" | "complex" | undefined;
  readonly kind: "ollama" | "openai" | "anthropic" | undefined;
  readonly tools: boolean;
  readonly promptTokens: number | undefined;
  readonly outputTokens: number | undefined;
  readonly contextTokens: number | undefined;
  readonly allowSpill: boolean;
};

export const routeExplain: Handler<ExplainFlags> = async ({ args, options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const { model, tier, kind, promptTokens, outputTokens, contextTokens, tools, allowSpill } = options;
  const json = {
    prompt: args[0] ?? "",
    tools,
    ...(allowSpill ? { allowSpill } : {}),
    ...(model.length === 0 ? {} : { models: [...model] }),
    ...(tier === undefined ? {} : { tier }),
    ...(kind === undefined ? {} : { kinds: [kind] }),
    ...(promptTokens === undefined ? {} : { promptTokens }),
    ...(outputTokens === undefined ? {} : { outputTokens }),
    ...(contextTokens === undefined ? {} : { contextTokens }),
  };
  const found = await api.value.ask("explain the route", (client) => client.api.route.explain.$post({ json }));
  if (!found.ok) return console.fail(found.error);
  if (console.json) {
    console.document(found.value);
    return EXIT.ok;
  }
  const { classification, decision, accuracy } = found.value;
  const asked = tier === undefined && model.length === 0;
  if (asked) console.line(`${console.paint("strong", classification.tier)}: ${oneLine(classification.reason)}`);
  console.line(oneLine(decision.reason));
  if (decision.candidates.length > 0) {
    console.line();
    console.table(decision.candidates, CANDIDATE_COLUMNS);
  }
  const { samples, meanAbsoluteErrorRatio } = accuracy;
  if (meanAbsoluteErrorRatio !== null) {
    const replies = plural(samples, "reply", "replies");
    console.line();
    console.line(
      `Expected times were off by ${Math.round(100 * meanAbsoluteErrorRatio)} % on average (${replies} so far).`,
    );
  }
  return EXIT.ok;
};

type UsageFlags = {
  readonly by: Usage["by"] | undefined;
  readonly since: string | undefined;
  readonly task: string | undefined;
};

export const usage: Handler<UsageFlags> = async ({ options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const { by, since, task } = options;
  const query = {
    ...(by === undefined ? {} : { by }),
    ...(since === undefined ? {} : { window: since }),
    ...(task === undefined ? {} : { task }),
  };
  const found = await api.value.ask("sum the usage", (client) => client.api.usage.$get({ query }));
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else printUsage(found.value, console);
  return EXIT.ok;
};

function printUsage(found: Usage, console: CommandContext["console"]): void {
  const isTime = found.by === "day" || found.by === "hour";
  if (found.sums.length === 0) console.note("No model was used within that time.");
  else {
    console.table(found.sums, [
      {
        title: found.by.toUpperCase(),
        shrinks: true,
        value: ({ group }) => (isTime ? instantText(Number(group)).slice(0, found.by === "day" ? 10 : 16) : group),
      },
      { title: "REQUESTS", value: ({ requests }) => String(requests), align: "right" },
      { title: "PROMPT", value: ({ promptTokens }) => String(promptTokens), align: "right" },
      { title: "REPLY", value: ({ completionTokens }) => String(completionTokens), align: "right" },
      { title: "COST", value: ({ costMicrodollars }) => moneyText(costMicrodollars), align: "right" },
      { title: "ENERGY", value: ({ energyJoules }) => energyText(energyJoules), align: "right", optional: true },
    ]);
  }
  for (const budget of found.budgets) {
    const [used, limit] =
      budget.unit === "tokens" ? [budget.used, budget.limit].map(String) : [budget.used, budget.limit].map(moneyText);
    console.line(
      `Budget per ${budget.span}: ${used ?? ""} of ${limit ?? ""}${budget.unit === "tokens" ? " tokens" : ""}; then: ${oneLine(budget.action)}`,
    );
  }
}

function energyText(joules: number): string {
  return joules === 0 ? "-" : `${(joules / JOULES_PER_WH).toFixed(2)} Wh`;
}
