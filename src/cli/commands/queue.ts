import type { QueueView } from "#api";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { durationText, plural } from "../output/quantities.ts";
import type { Handler } from "../parsing/command.ts";
import { keyColumns } from "../tasks/key-text.ts";
import { laneColumns, laneRows } from "../tasks/queue-text.ts";
import { untilDrained } from "./drain.ts";

export const queueShow: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const queue = await api.value.ask("show the queue", (client) => client.api.queue.$get());
  if (!queue.ok) return console.fail(queue.error);
  if (console.json) console.document(queue.value);
  else printQueue(queue.value, context);
  return EXIT.ok;
};

function printQueue(queue: QueueView, { console }: CommandContext): void {
  if (queue.paused) console.line(console.paint("warn", "The queue is paused: nothing is started."));
  console.table(laneRows(queue), laneColumns());
  if (queue.oldestReadyAgeMs !== null)
    console.line(`The oldest ready task has waited ${durationText(queue.oldestReadyAgeMs)}.`);
  if (queue.keys.length > 0) {
    console.line();
    console.table(queue.keys, keyColumns());
  }
  if (queue.paused) console.hint("Start tasks again with: drover queue resume");
  else if (queue.totals.dead > 0)
    console.hint(`See the ${plural(queue.totals.dead, "dead letter")} with: drover dead list`);
}

export const queuePause: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const answer = await api.value.ask("pause the queue", (client) => client.api.queue.pause.$post());
  if (!answer.ok) return console.fail(answer.error);
  if (console.json) console.document(answer.value);
  else console.line(answer.value.changed ? "The queue is paused; what runs goes on." : "The queue was paused already.");
  console.hint("Start tasks again with: drover queue resume");
  return EXIT.ok;
};

export const queueResume: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const answer = await api.value.ask("resume the queue", (client) => client.api.queue.resume.$post());
  if (!answer.ok) return console.fail(answer.error);
  if (console.json) console.document(answer.value);
  else console.line(answer.value.changed ? "Tasks are started again." : "The queue was not paused.");
  return EXIT.ok;
};

export const queueDrain: Handler<{ readonly timeout: number | undefined }> = async ({ options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const what = "drain the queue";
  const drained = await untilDrained(
    {
      what,
      ask: () => api.value.ask(what, (client) => client.api.queue.drain.$post()),
      runningIn: ({ running }) => running.length,
      looks: 1,
      timeoutMs: options.timeout,
      remedy: "The queue stays paused. Wait again, or cancel what runs: drover task list running",
    },
    context,
  );
  if (!drained.ok) return console.fail(drained.error);
  if (console.json) console.document(drained.value);
  else console.line("The queue is paused and nothing runs.");
  console.hint("Start tasks again with: drover queue resume");
  return EXIT.ok;
};
