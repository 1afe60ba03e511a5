/** How often the node may be asked. */
import { refused } from "#base";
import type { Client, SuccessOf } from "../connection/api.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Column } from "../output/table.ts";
import type { Handler } from "../parsing/command.ts";

type Limits = SuccessOf<Awaited<ReturnType<Client["api"]["limits"]["$get"]>>>;
type Tier = Limits["limits"][number];

const COLUMNS: readonly Column<Tier>[] = [
  { title: "TIER", value: ({ tier }) => tier },
  { title: "PER SECOND", value: ({ perSecond }) => String(perSecond), align: "right" },
  { title: "AT ONCE", value: ({ burst }) => String(burst), align: "right" },
  { title: "FROM", value: ({ origin }) => origin, tone: ({ origin }) => (origin === "override" ? "warn" : undefined) },
  {
    title: "OTHERWISE",
    value: ({ origin, otherwise }) => (origin === "override" ? `${otherwise.perSecond}, ${otherwise.burst}` : "-"),
  },
];

export const limitsList: Handler<object> = async (_invocation, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  const found = await api.value.ask("list the limits", (client) => client.api.limits.$get());
  return found.ok ? print(found.value, context) : context.console.fail(found.error);
};

export const limitsSet: Handler<{
  readonly perSecond: number | undefined;
  readonly burst: number | undefined;
}> = async ({ args, options }, context) => {
  const { perSecond, burst } = options;
  if (perSecond === undefined) {
    const remedy = "Add --per-second N";
    const failure = refused("invalid", "limits set needs --per-second", remedy);
    return context.console.fail({ failure, exit: EXIT.usage });
  }
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  const set = await api.value.ask("set the limit", (client) =>
    client.api.limits[":tier"].$put({
      param: { tier: encodeURIComponent(args[0] ?? "") },
      json: { perSecond, ...(burst === undefined ? {} : { burst }) },
    }),
  );
  return set.ok ? print(set.value, context) : context.console.fail(set.error);
};

export const limitsUnset: Handler<object> = async ({ args }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  const param = { tier: encodeURIComponent(args[0] ?? "") };
  const unset = await api.value.ask("unset the limit", (client) => client.api.limits[":tier"].$delete({ param }));
  return unset.ok ? print(unset.value, context) : context.console.fail(unset.error);
};

function print(found: Limits, { console }: CommandContext): number {
  if (console.json) console.document(found);
  else console.table(found.limits, COLUMNS);
  return EXIT.ok;
}
