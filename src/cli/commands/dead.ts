import type { TaskView } from "#api";
import { refused } from "#base";
import { collectPages } from "../connection/pages.ts";
import { EXIT } from "../exit-codes.ts";
import { ageText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import type { Handler } from "../parsing/command.ts";
import { taskLines } from "../tasks/task-text.ts";
import { changeLine } from "../tasks/wait-board.ts";
import { forEach } from "./each.ts";

const USUAL_LIMIT = 50;
/** Dead letters that --all redrives in one go; more than this wants a look at the cause first. */
const MOST_AT_ONCE = 10_000;

export function deadColumns(nowMs: number): readonly Column<TaskView>[] {
  return [
    { title: "ID", value: ({ id }) => id },
    { title: "LANE", value: ({ lane }) => lane, optional: true },
    { title: "TRIES", value: ({ attemptCount }) => String(attemptCount), align: "right", optional: true },
    { title: "DIED", value: ({ endedAtMs }) => (endedAtMs === null ? "-" : ageText(endedAtMs, nowMs)), align: "right" },
    { title: "TITLE", value: ({ title }) => title, shrinks: true },
    { title: "REASON", value: ({ reason }) => reason?.text ?? "", shrinks: true, tone: () => "bad" },
  ];
}

export const deadList: Handler<{ readonly limit: number | undefined }> = async ({ options }, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const found = await collectPages(options.limit ?? USUAL_LIMIT, undefined, (page) =>
    api.value.ask("list dead letters", (client) => client.api.dead.$get({ query: page })),
  );
  if (!found.ok) return console.fail(found.error);
  const { items, nextCursor } = found.value;
  if (console.json) {
    console.document(found.value);
    return EXIT.ok;
  }
  if (items.length === 0) {
    console.note("There are no dead letters.");
    return EXIT.ok;
  }
  console.table(items, deadColumns(environment.clock.nowMs()));
  if (nextCursor !== null) console.note("There are more: --limit N");
  console.hint("Look at one with: drover dead show ID; run it again with: drover dead redrive ID");
  return EXIT.ok;
};

export const deadShow: Handler<object> = async ({ args }, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const id = args[0] ?? "";
  const task = await api.value.ask("show the dead letter", (client) =>
    client.api.dead[":id"].$get({ param: { id: encodeURIComponent(id) } }),
  );
  if (!task.ok) return console.fail(task.error);
  if (console.json) console.document(task.value);
  else for (const line of taskLines(task.value, environment.clock.nowMs(), console.out)) console.line(line);
  console.hint(
    `Run it again with: drover dead redrive ${task.value.id}; its output: drover task logs ${task.value.id}`,
  );
  return EXIT.ok;
};

export const deadRedrive: Handler<{ readonly all: boolean }> = async ({ args, options }, context) => {
  const { console } = context;
  if (options.all === args.length > 0) {
    console.fail(refused("invalid", "dead redrive needs ids or --all", "List dead letters with: drover dead list"));
    return EXIT.usage;
  }
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const found = options.all
    ? await collectPages(MOST_AT_ONCE, undefined, (page) =>
        api.value.ask("list dead letters", (client) => client.api.dead.$get({ query: page })),
      )
    : undefined;
  if (found?.ok === false) return console.fail(found.error);
  // The oldest first: one that died because another did comes back with that one.
  const ids = found === undefined ? args : found.value.items.map(({ id }) => id).reverse();
  if (ids.length === 0) console.note("There are no dead letters.");
  return forEach(
    ids,
    context,
    async (id) => {
      const redriven = await api.value.ask(`redrive ${id}`, (client) =>
        client.api.dead[":id"].redrive.$post({ param: { id: encodeURIComponent(id) } }),
      );
      if (redriven.ok || !options.all || redriven.error.failure.code !== "conflict") return redriven;
      // With --all it may have come back with one it depends on a moment ago.
      const now = await api.value.ask(`redrive ${id}`, (client) =>
        client.api.tasks[":id"].$get({ param: { id: encodeURIComponent(id) } }),
      );
      return now.ok && now.value.state !== "dead" ? now : redriven;
    },
    changeLine,
  );
};

export const deadDrop: Handler<object> = async ({ args }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach(
    args,
    context,
    (id) =>
      api.value.ask(`drop ${id}`, (client) =>
        client.api.dead[":id"].$delete({ param: { id: encodeURIComponent(id) } }),
      ),
    ({ id }) => `${id} is deleted`,
  );
};
