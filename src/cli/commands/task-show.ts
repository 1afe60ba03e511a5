import type { DecisionView, Explanation } from "#api";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { instantText } from "../output/quantities.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { CANDIDATE_COLUMNS } from "../tasks/decision-text.ts";
import { facts, taskLines } from "../tasks/task-text.ts";

export const taskShow: Handler<object> = async ({ args }, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const id = args[0] ?? "";
  const task = await api.value.ask("show the task", (client) =>
    client.api.tasks[":id"].$get({ param: { id: encodeURIComponent(id) } }),
  );
  if (!task.ok) return console.fail(task.error);
  if (console.json) console.document(task.value);
  else for (const line of taskLines(task.value, environment.clock.nowMs(), console.out)) console.line(line);
  if (task.value.result?.["whole"] !== undefined) {
    console.hint(`This result is shortened. The whole of it: drover task result ${task.value.id}`);
  }
  if (task.value.state === "dead") console.hint(`Run it again with: drover task retry ${task.value.id}`);
  else if (task.value.state === "waiting" || task.value.state === "ready") {
    console.hint(`What it waits for in full: drover task explain ${task.value.id}`);
  }
  return EXIT.ok;
};

export const taskExplain: Handler<object> = async ({ args }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const id = args[0] ?? "";
  const found = await api.value.ask("explain the task", (client) =>
    client.api.tasks[":id"].explain.$get({ param: { id: encodeURIComponent(id) } }),
  );
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else printExplanation(found.value, console);
  return EXIT.ok;
};

function printExplanation(explanation: Explanation, console: CommandContext["console"]): void {
  console.line(`${console.paint("strong", explanation.id)}: ${oneLine(explanation.summary)}`);
  for (const [index, cause] of explanation.causes.entries()) {
    // The first cause is the summary.
    if (index > 0) console.line(`  ${console.out.unicode ? "•" : "-"} ${oneLine(cause.text)}`);
    if (cause.untilMs !== null) console.line(`    until ${instantText(cause.untilMs)}`);
    if (cause.remedy !== null) console.line(`    ${console.paint("strong", "next:")} ${oneLine(cause.remedy)}`);
  }
  if (explanation.dependencies.length > 0) {
    console.line();
    console.line(console.paint("strong", "Depends on"));
    for (const { id, state, satisfied } of explanation.dependencies) {
      console.line(`  ${id}  ${console.paint(satisfied ? "good" : "warn", state)}`);
    }
  }
  const { place, key, nodes } = explanation;
  const pairs: [string, string][] = [];
  if (place !== null)
    pairs.push(["place", `${place.isExact ? "" : "at least "}${place.ahead} ahead in lane ${place.lane}`]);
  if (key !== null) {
    const limits = [
      ...(key.maxConcurrent === null ? [] : [`at most ${key.maxConcurrent} at once`]),
      ...(key.ratePerSecond === null ? [] : [`${key.ratePerSecond} starts per second`]),
      ...(key.paused ? ["paused"] : []),
    ];
    pairs.push([
      "key",
      `${key.key}: ${key.running} running, ${key.admitted} next${limits.length === 0 ? "" : `; ${limits.join(", ")}`}`,
    ]);
  }
  for (const node of nodes)
    pairs.push([
      `node ${node.name}`,
      node.lacks.length > 0
        ? `cannot run it: ${node.lacks.join(", ")}`
        : node.leaves === null
          ? "can run it"
          : `does not take it yet: ${node.leaves}`,
    ]);
  if (pairs.length > 0) console.line();
  for (const line of facts(pairs, console.out)) console.line(line);
  for (const { attempt, decision } of explanation.routing) printDecision(attempt, decision, console);
}

/** A newer node may have decided by what this version does not know; then the reason is all there is to show. */
function printDecision(attempt: number, decision: Record<string, unknown>, console: CommandContext["console"]): void {
  const { reason, candidates } = decision;
  console.line();
  console.line(
    `${console.paint("strong", `Attempt ${attempt}`)}: ${oneLine(typeof reason === "string" ? reason : "")}`,
  );
  if (!isCandidates(candidates) || candidates.length === 0) return;
  console.table(candidates, CANDIDATE_COLUMNS);
}

function isCandidates(value: unknown): value is DecisionView["candidates"] {
  return (
    Array.isArray(value) &&
    value.every((one: unknown) => typeof one === "object" && one !== null && "model" in one && "terms" in one)
  );
}
