/** What a person has to know of a node, and what became of it. */
import { ok, type Result } from "#base";
import type { Client, SuccessOf } from "../connection/api.ts";
import { collectPages } from "../connection/pages.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import { durationText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { facts } from "../tasks/task-text.ts";
import { byWhom } from "./by-whom.ts";
import { forEach } from "./each.ts";

type Page = SuccessOf<Awaited<ReturnType<Client["api"]["alerts"]["$get"]>>>;
export type ShownAlert = Page["items"][number];

const DEFAULT_SHOWN = 100;

export const alertList: Handler<{
  readonly all: boolean;
  readonly limit: number | undefined;
}> = async ({ options }, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const state = options.all ? { state: "firing,acknowledged,resolved" } : {};
  const found = await collectPages<ShownAlert>(options.limit ?? DEFAULT_SHOWN, undefined, (query) =>
    api.value.ask("list the alerts", (client) => client.api.alerts.$get({ query: { ...query, ...state } })),
  );
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else if (found.value.items.length === 0) {
    console.note(options.all ? "There was no alert yet." : "No alert is open. Look at those that are over with: --all");
  } else {
    console.table(found.value.items, alertColumns(environment.clock.nowMs()));
    console.hint("See what to do about one: drover alert show ID; then: drover alert ack ID");
  }
  return EXIT.ok;
};

export function alertColumns(nowMs: number): readonly Column<ShownAlert>[] {
  return [
    { title: "ID", value: ({ id }) => String(id), align: "right" },
    {
      title: "SEVERITY",
      value: ({ severity }) => severity,
      tone: ({ severity, state }) => (state === "resolved" ? undefined : severity === "critical" ? "bad" : "warn"),
    },
    { title: "STATE", value: ({ state }) => state },
    {
      title: "FOR",
      value: (alert) => durationText(Math.max(0, (alert.resolvedAtMs ?? nowMs) - alert.raisedAtMs)),
      align: "right",
    },
    { title: "ALERT", value: ({ title }) => oneLine(title) },
    { title: "MESSAGE", value: ({ message }) => oneLine(message), shrinks: true },
  ];
}

export const alertShow: Handler<object> = async ({ args }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const param = { id: encodeURIComponent(args[0] ?? "") };
  const found = await api.value.ask("show the alert", (client) => client.api.alerts[":id"].$get({ param }));
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else print(found.value, context);
  return EXIT.ok;
};

function print(alert: ShownAlert, { console, environment }: CommandContext): void {
  const ago = (atMs: number): string => `${durationText(Math.max(0, environment.clock.nowMs() - atMs))} ago`;
  const pairs: [string, string][] = [
    ["key", oneLine(alert.key)],
    ["severity", alert.severity],
    ["state", alert.state],
    ["found by", oneLine(alert.source)],
    ["raised", ago(alert.raisedAtMs)],
    ["seen last", ago(alert.seenAtMs)],
  ];
  if (alert.acknowledgedAtMs !== null) {
    pairs.push(["acknowledged", `by ${oneLine(alert.acknowledgedBy ?? "")}, ${ago(alert.acknowledgedAtMs)}`]);
  }
  if (alert.note !== null) pairs.push(["note", oneLine(alert.note)]);
  if (alert.resolvedAtMs !== null) pairs.push(["over", ago(alert.resolvedAtMs)]);
  console.line(console.paint("strong", oneLine(alert.title)));
  console.line(oneLine(alert.message));
  for (const line of facts(pairs, console.out)) console.line(line);
}

export const alertRules: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const found = await api.value.ask("list the rules", (client) => client.api.alerts.rules.$get());
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else console.table(found.value.rules.flatMap(ruleRows), RULE_COLUMNS);
  return EXIT.ok;
};

type ShownRule = SuccessOf<Awaited<ReturnType<Client["api"]["alerts"]["rules"]["$get"]>>>["rules"][number];
type RuleRow = Omit<ShownRule, "now"> & ShownRule["now"][number];

function ruleRows({ now, ...rule }: ShownRule): readonly RuleRow[] {
  return (now.length === 0 ? [{ key: rule.name, value: null, held: null }] : now).map((one) => ({ ...rule, ...one }));
}

const figure = (value: number | null): string => (value === null ? "-" : String(Math.round(value * 100) / 100));

const RULE_COLUMNS: readonly Column<RuleRow>[] = [
  { title: "RULE", value: ({ key }) => oneLine(key) },
  {
    title: "NOW",
    value: ({ value }) => figure(value),
    align: "right",
    tone: ({ held }) => (held === null ? undefined : held === "critical" ? "bad" : "warn"),
  },
  { title: "WARN", value: ({ warnAt }) => figure(warnAt), align: "right" },
  { title: "CRITICAL", value: ({ criticalAt }) => figure(criticalAt), align: "right" },
  { title: "OVER AT", value: ({ clearAt }) => figure(clearAt), align: "right" },
  { title: "FOR", value: ({ forMs }) => durationText(forMs), align: "right", optional: true },
  { title: "OF", value: ({ unit }) => unit, shrinks: true },
];

export const alertAck: Handler<{
  readonly by: string | undefined;
  readonly note: string | undefined;
}> = async ({ args, options }, context) => {
  const json = {
    ...byWhom(options.by, context),
    ...(options.note === undefined ? {} : { note: options.note }),
  };
  return change(args, context, "Acknowledged", (client, param) => client.api.alerts[":id"].ack.$post({ param, json }));
};

export const alertResolve: Handler<object> = async ({ args }, context) =>
  change(args, context, "Ended", (client, param) => client.api.alerts[":id"].resolve.$post({ param }));

async function change(
  ids: readonly string[],
  context: CommandContext,
  done: string,
  act: (client: Client, param: { id: string }) => ReturnType<Client["api"]["alerts"][":id"]["resolve"]["$post"]>,
): Promise<number> {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach<ShownAlert>(
    ids,
    context,
    async (id): Promise<Result<ShownAlert, Fault>> => {
      const changed = await api.value.ask(`change alert ${id}`, (client) =>
        act(client, { id: encodeURIComponent(id) }),
      );
      return changed.ok ? ok({ ...changed.value }) : changed;
    },
    ({ id, title }) => `${done} ${id}: ${oneLine(title)}`,
  );
}
