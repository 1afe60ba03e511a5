import { collectPages } from "../connection/pages.ts";
import { EXIT } from "../exit-codes.ts";
import { goalColumns } from "../goals/goal-text.ts";
import type { Handler } from "../parsing/command.ts";

type ListFlags = { readonly limit: number | undefined; readonly cursor: string | undefined };

const USUAL_LIMIT = 50;

export const goalList: Handler<ListFlags> = async ({ options, args }, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const filter = args.length === 0 ? {} : { state: args.join(",") };
  const found = await collectPages(options.limit ?? USUAL_LIMIT, options.cursor, (page) =>
    api.value.ask("list goals", (client) => client.api.goals.$get({ query: { ...filter, ...page } })),
  );
  if (!found.ok) return console.fail(found.error);
  const { items, nextCursor } = found.value;
  if (console.json) {
    console.document({ items, nextCursor });
    return EXIT.ok;
  }
  if (items.length === 0) {
    console.note(args.length === 0 ? "There are no goals." : "No goal is like that.");
    console.hint('Hand one in with: drover goal add --title "…"');
    return EXIT.ok;
  }
  console.table(items, goalColumns(environment.clock.nowMs()));
  if (nextCursor !== null) console.note(`There are more: --limit N, or --cursor ${nextCursor}`);
  return EXIT.ok;
};
