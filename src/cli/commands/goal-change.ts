import { EXIT } from "../exit-codes.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { forEach } from "./each.ts";
import { type BudgetFlags, budgetFromFlags } from "./goal-add.ts";

export const goalCancel: Handler<{ readonly reason: string | undefined }> = async ({ args, options }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  const json = options.reason === undefined ? {} : { reason: options.reason };
  return forEach(
    args,
    context,
    (id) =>
      api.value.ask(`cancel goal ${id}`, (client) =>
        client.api.goals[":id"].cancel.$post({ param: { id: encodeURIComponent(id) }, json }),
      ),
    ({ id, goal }) => (goal === null ? `${oneLine(id)} will be cancelled by the hub` : `${oneLine(id)} is cancelled`),
  );
};

export const goalResume: Handler<BudgetFlags> = async ({ args, options }, context) => {
  const { console } = context;
  const budget = budgetFromFlags(options);
  if (!budget.ok) {
    console.fail(budget.error);
    return EXIT.usage;
  }
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const json = budget.value === undefined ? {} : { budget: budget.value };
  return forEach(
    args.slice(0, 1),
    context,
    (id) =>
      api.value.ask(`resume goal ${id}`, (client) =>
        client.api.goals[":id"].resume.$post({ param: { id: encodeURIComponent(id) }, json }),
      ),
    ({ id, goal }) => (goal === null ? `${oneLine(id)} will go on with the hub` : `${oneLine(id)} goes on`),
  );
};
