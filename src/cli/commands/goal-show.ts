import type { WholeGoalView } from "#api";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { goalFacts, goalTaskColumns, hasGoalEnded } from "../goals/goal-text.ts";
import { instantText } from "../output/quantities.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { facts } from "../tasks/task-text.ts";

export const goalShow: Handler<{ readonly history: boolean }> = async ({ args, options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const id = args[0] ?? "";
  const goal = await api.value.ask("show the goal", (client) =>
    client.api.goals[":id"].$get({ param: { id: encodeURIComponent(id) } }),
  );
  if (!goal.ok) return console.fail(goal.error);
  if (console.json) {
    console.document(goal.value);
    return EXIT.ok;
  }
  print(goal.value, context);
  if (options.history) printHistory(goal.value, context);
  if (goal.value.paused !== null) console.hint(`Let it go on with: drover goal resume ${goal.value.id}`);
  else if (!hasGoalEnded(goal.value)) {
    console.hint(`Follow it with: drover goal wait ${goal.value.id}`);
    const open = goal.value.tasks.find(({ state }) => state === "open")?.task ?? null;
    if (open !== null) console.hint(`See where its task is, and what it waits for: drover task explain ${open}`);
  }
  return EXIT.ok;
};

function print(goal: WholeGoalView, { console, environment }: CommandContext): void {
  console.line(console.paint("strong", oneLine(goal.title)));
  for (const line of facts(goalFacts(goal, environment.clock.nowMs()), console.out)) console.line(line);
  if (goal.tasks.length > 0) {
    console.line();
    console.table(goal.tasks, goalTaskColumns());
  }
  for (const { criterion, met, why } of goal.verdict?.criteria ?? []) {
    console.line(`${met ? "met" : "not met"}: ${oneLine(criterion)} (${oneLine(why)})`);
  }
  const broken = goal.tasks.filter(({ error }) => error !== null);
  for (const { n, error } of broken) console.line(`task ${n}: ${oneLine(error ?? "")}`);
}

function printHistory({ events }: WholeGoalView, { console }: CommandContext): void {
  console.line();
  for (const { atMs, kind, data } of events) {
    const said = Object.entries(data).map(
      ([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
    );
    const line = [console.paint("faint", instantText(atMs)), kind.padEnd(14), oneLine(said.join(" "))];
    console.line(line.join("  ").trimEnd());
  }
}
