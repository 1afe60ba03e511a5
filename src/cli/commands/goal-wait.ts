import type { GoalView } from "#api";
import { type Api, interruptedFault } from "../connection/api.ts";
import { pause } from "../connection/pause.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { goalColumns, hasGoalEnded } from "../goals/goal-text.ts";
import { durationText, plural } from "../output/quantities.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";

/** A goal takes minutes; a second more or less is none. */
const LOOK_EVERY_MS = 500;

export const goalWait: Handler<{ readonly timeout: number | undefined }> = async ({ args, options }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return showGoalWait([...new Set(args)], options.timeout, api.value, context);
};

/** Waits for goals and shows how they ended. @returns the exit code. */
export async function showGoalWait(
  ids: readonly string[],
  timeoutMs: number | undefined,
  api: Api,
  context: CommandContext,
): Promise<number> {
  const { console, environment } = context;
  const { clock, interrupted } = environment;
  const endMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.monotonicMs() + timeoutMs;
  const seen = new Map<string, GoalView>();
  const what = `wait for ${plural(ids.length, "goal")}`;
  for (;;) {
    for (const id of ids) {
      const before = seen.get(id);
      if (before !== undefined && hasGoalEnded(before)) continue;
      const goal = await api.ask(what, (client) =>
        client.api.goals[":id"].$get({ param: { id: encodeURIComponent(id) } }),
      );
      // A node that is restarted meanwhile is waited for; so is a goal that is on its way to the hub.
      if (!goal.ok && goal.error.exit !== EXIT.unreachable) return console.fail(goal.error);
      if (!goal.ok) continue;
      if (!console.json && before?.state !== goal.value.state) {
        console.note(`${goal.value.id} is ${goal.value.state}: ${oneLine(goal.value.title)}`);
      }
      if (console.json && hasGoalEnded(goal.value)) console.jsonLine(goal.value);
      seen.set(id, goal.value);
    }
    const goals = ids.flatMap((id) => seen.get(id) ?? []);
    const open = ids.length - goals.filter(hasGoalEnded).length;
    if (open === 0) return end(goals, context);
    if (interrupted.aborted) return console.fail(interruptedFault(what));
    if (clock.monotonicMs() >= endMs) return console.fail(late(open, ids, timeoutMs ?? 0));
    await pause(clock, Math.min(LOOK_EVERY_MS, Math.max(1, endMs - clock.monotonicMs())), interrupted);
  }
}

function end(goals: readonly GoalView[], { console, environment }: CommandContext): number {
  if (!console.json) console.table(goals, goalColumns(environment.clock.nowMs()));
  const bad = goals.find(({ state }) => state !== "complete");
  if (bad === undefined) return EXIT.ok;
  console.hint(`Why: drover goal show ${bad.id}`);
  return EXIT.failed;
}

function late(open: number, ids: readonly string[], timeoutMs: number) {
  return {
    failure: {
      kind: "retryable",
      code: "timed_out",
      message: `${plural(open, "goal")} of ${ids.length} ${open === 1 ? "has" : "have"} not ended after ${durationText(timeoutMs)}`,
      remedy: `They go on. See: drover goal show ${ids[0] ?? "ID"}`,
    },
    exit: EXIT.timedOut,
  } as const;
}
