import type { Client, SuccessOf } from "../connection/api.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";

type Breakers = SuccessOf<Awaited<ReturnType<Client["api"]["breakers"]["$get"]>>>;
type Breaker = Breakers["breakers"][number];

const COLUMNS: readonly Column<Breaker>[] = [
  { title: "NAME", value: ({ name }) => oneLine(name) },
  { title: "STATE", value: ({ state }) => (state === "halfOpen" ? "trying" : state) },
  { title: "WHY", value: ({ detail }) => oneLine(detail), shrinks: true },
];

export const breakers: Handler<object> = async (_invocation, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  const found = await api.value.ask("list the breakers", (client) => client.api.breakers.$get());
  return found.ok ? print(found.value, context) : context.console.fail(found.error);
};

export const breakersReset: Handler<object> = async ({ args }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  const param = { name: encodeURIComponent(args[0] ?? "") };
  const reset = await api.value.ask("reset the breaker", (client) =>
    client.api.breakers[":name"].reset.$post({ param }),
  );
  return reset.ok ? print(reset.value, context) : context.console.fail(reset.error);
};

function print(found: Breakers, { console }: CommandContext): number {
  if (console.json) console.document(found);
  else console.table(found.breakers, COLUMNS);
  return EXIT.ok;
}
