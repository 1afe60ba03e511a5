import { resolve } from "node:path";
import type { GoalView } from "#api";
import { err, ok, type Result, refused } from "#base";
import { EXIT } from "../exit-codes.ts";
import { parseDollars } from "../goals/goal-text.ts";
import type { Handler } from "../parsing/command.ts";
import { showGoalWait } from "./goal-wait.ts";

type AddFlags = BudgetFlags & {
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly priority: GoalView["priority"] | undefined;
  readonly criterion: readonly string[];
  readonly verifyFile: readonly string[];
  readonly verifyContains: readonly string[];
  readonly verifyCommand: readonly string[];
  readonly verifyTest: readonly string[];
  readonly repo: string | undefined;
  readonly workspace: string | undefined;
  readonly onBudget: GoalView["onBudget"] | undefined;
  readonly label: Readonly<Record<string, string>>;
  readonly idempotencyKey: string | undefined;
  readonly wait: boolean;
  readonly timeout: number | undefined;
};

export type BudgetFlags = { readonly budgetTokens: number | undefined; readonly budgetUsd: string | undefined };

export const goalAdd: Handler<AddFlags> = async ({ options }, context) => {
  const { console, environment } = context;
  const goal = goalFromFlags(options, environment.cwd);
  if (!goal.ok) {
    console.fail(goal.error);
    return EXIT.usage;
  }
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const receipt = await api.value.ask("hand in the goal", (client) => client.api.goals.$post({ json: goal.value }));
  if (!receipt.ok) return console.fail(receipt.error);
  const { id, existed } = receipt.value;
  if (existed) console.note("A goal of this idempotency key was there already");
  if (options.wait) return showGoalWait([id], options.timeout, api.value, context);
  if (console.json) console.document(receipt.value);
  else console.line(id);
  console.hint(`Follow it with: drover goal wait ${id}; see: drover goal show ${id}`);
  return EXIT.ok;
};

/** What is sent; the API checks every field and says which is wrong. */
function goalFromFlags(flags: AddFlags, cwd: string) {
  const { title } = flags;
  if (title === undefined) {
    return err(refused("invalid", "goal add needs --title", 'Such as --title "Greet in French"'));
  }
  const budget = budgetFromFlags(flags);
  if (!budget.ok) return budget;
  const verify: ({ readonly kind: "file_exists"; readonly path: string } | Contains | Runs)[] = flags.verifyFile.map(
    (path) => ({ kind: "file_exists", path }),
  );
  for (const pair of flags.verifyContains) {
    const cut = pair.indexOf("=");
    if (cut < 1 || cut === pair.length - 1) {
      return err(refused("invalid", `--verify-contains must be PATH=PATTERN, not "${pair}"`));
    }
    verify.push({ kind: "file_contains", path: pair.slice(0, cut), pattern: pair.slice(cut + 1) });
  }
  for (const line of flags.verifyCommand) verify.push({ kind: "command_succeeds", command: ["sh", "-c", line] });
  for (const line of flags.verifyTest) verify.push({ kind: "test_passes", command: ["sh", "-c", line] });
  return ok({
    title,
    channel: "cli" as const,
    ...(flags.description === undefined ? {} : { description: flags.description }),
    ...(flags.priority === undefined ? {} : { priority: flags.priority }),
    ...(flags.criterion.length === 0 ? {} : { successCriteria: [...flags.criterion] }),
    ...(verify.length === 0 ? {} : { verify }),
    ...(flags.repo === undefined ? {} : { repository: flags.repo }),
    ...(flags.workspace === undefined ? {} : { workspace: resolve(cwd, flags.workspace) }),
    ...(budget.value === undefined ? {} : { budget: budget.value }),
    ...(flags.onBudget === undefined ? {} : { onBudget: flags.onBudget }),
    ...(Object.keys(flags.label).length === 0 ? {} : { labels: { ...flags.label } }),
    ...(flags.idempotencyKey === undefined ? {} : { idempotencyKey: flags.idempotencyKey }),
  });
}

type Contains = { readonly kind: "file_contains"; readonly path: string; readonly pattern: string };
type Runs = { readonly kind: "command_succeeds" | "test_passes"; readonly command: string[] };

/** @returns the limits that were given; undefined for none. */
export function budgetFromFlags(
  flags: BudgetFlags,
): Result<{ readonly tokens?: number; readonly costMicrodollars?: number } | undefined> {
  const { budgetTokens, budgetUsd } = flags;
  const money = budgetUsd === undefined ? undefined : parseDollars(budgetUsd);
  if (money?.ok === false) return err(refused("invalid", `--budget-usd ${money.error}`));
  if (budgetTokens === undefined && money === undefined) return ok(undefined);
  return ok({
    ...(budgetTokens === undefined ? {} : { tokens: budgetTokens }),
    ...(money === undefined ? {} : { costMicrodollars: money.value }),
  });
}
