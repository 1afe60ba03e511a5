import { collectPages } from "../connection/pages.ts";
import { EXIT } from "../exit-codes.ts";
import type { Handler } from "../parsing/command.ts";
import type { LANE_WORDS } from "../table/words.ts";
import { STATE_WORDS } from "../table/words.ts";
import { taskColumns } from "../tasks/task-text.ts";

type ListFlags = {
  readonly lane: (typeof LANE_WORDS)[number] | undefined;
  readonly key: string | undefined;
  readonly label: Readonly<Record<string, string>>;
  readonly limit: number | undefined;
  readonly cursor: string | undefined;
};

const USUAL_LIMIT = 50;

export const taskList: Handler<ListFlags> = async ({ options, args }, context) => {
  const { console, environment } = context;
  const fault = wrongState(args) ?? wrongLabels(options.label);
  if (fault !== undefined) {
    console.fail({ kind: "refused", code: "invalid", message: fault });
    return EXIT.usage;
  }
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const [label] = Object.entries(options.label);
  const filter = {
    ...(args.length === 0 ? {} : { state: args.join(",") }),
    ...(options.lane === undefined ? {} : { lane: options.lane }),
    ...(options.key === undefined ? {} : { key: options.key }),
    ...(label === undefined ? {} : { label: label.join("=") }),
  };
  const found = await collectPages(options.limit ?? USUAL_LIMIT, options.cursor, (page) =>
    api.value.ask("list tasks", (client) => client.api.tasks.$get({ query: { ...filter, ...page } })),
  );
  if (!found.ok) return console.fail(found.error);
  const { items, nextCursor } = found.value;
  if (console.json) {
    console.document({ items, nextCursor });
    return EXIT.ok;
  }
  if (items.length === 0) {
    console.note(args.length === 0 && label === undefined ? "There are no tasks." : "No task is like that.");
    console.hint("Submit one with: drover task add -- COMMAND ARG…");
    return EXIT.ok;
  }
  console.table(items, taskColumns(environment.clock.nowMs()));
  if (nextCursor !== null) console.note(`There are more: --limit N, or --cursor ${nextCursor}`);
  return EXIT.ok;
};

function wrongState(args: readonly string[]): string | undefined {
  const wrong = args.find((word) => !STATE_WORDS.some((state) => state === word));
  return wrong === undefined ? undefined : `"${wrong}" is no state; states are ${STATE_WORDS.join(", ")}`;
}

function wrongLabels(labels: Readonly<Record<string, string>>): string | undefined {
  return Object.keys(labels).length > 1 ? "tasks can be looked for by one label at a time" : undefined;
}
