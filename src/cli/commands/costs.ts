/** What the tasks of a fleet cost, and what the states of its mind may still spend. */
import type { Client, SuccessOf } from "../connection/api.ts";
import { EXIT } from "../exit-codes.ts";
import type { Console } from "../output/console.ts";
import { instantText, moneyText } from "../output/quantities.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import type { COST_WORDS } from "../table/figures.ts";

type Costs = SuccessOf<Awaited<ReturnType<Client["api"]["costs"]["$get"]>>>;

export const cost: Handler<{
  readonly by: (typeof COST_WORDS)[number] | undefined;
  readonly since: string | undefined;
  readonly limit: number | undefined;
}> = async ({ options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const { by, since, limit } = options;
  const query = {
    ...(by === undefined ? {} : { by }),
    ...(since === undefined ? {} : { since }),
    ...(limit === undefined ? {} : { limit: String(limit) }),
  };
  const found = await api.value.ask("sum the costs", (client) => client.api.costs.$get({ query }));
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else print(found.value, console);
  return EXIT.ok;
};

function print({ by, sums, states }: Costs, console: Console): void {
  const isTime = by === "day" || by === "hour";
  const instant = (group: string): string => instantText(Number(group)).slice(0, by === "day" ? 10 : 16);
  if (sums.length === 0) console.note("No attempt of the kind took anything within that time.");
  else {
    console.table(sums, [
      {
        title: by.toUpperCase(),
        value: ({ group, name }) => (isTime ? instant(group) : oneLine(name ?? group)),
        shrinks: true,
      },
      { title: "ATTEMPTS", value: ({ attempts }) => String(attempts), align: "right" },
      { title: "TOKENS", value: ({ tokens }) => String(tokens), align: "right" },
      { title: "COST", value: ({ costMicrodollars }) => moneyText(costMicrodollars), align: "right" },
    ]);
  }
  for (const { state, leftPercent, action, budgets } of states) {
    for (const { span, unit, limit, used } of budgets) {
      const text = (value: number): string => (unit === "tokens" ? `${value} tokens` : moneyText(value));
      const line = `Budget of ${state} per ${span}: ${text(used)} of ${text(limit)}; then: ${action}`;
      console.line(leftPercent === 0 || used >= limit ? console.paint("bad", line) : line);
    }
  }
}
