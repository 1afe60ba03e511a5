/** Webhooks that come in. */
import { ok } from "#base";
import type { Client, SuccessOf } from "../connection/api.ts";
import { EXIT } from "../exit-codes.ts";
import { ageText, bytesText, instantText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { forEach } from "./each.ts";

type Source = SuccessOf<Awaited<ReturnType<Client["api"]["webhooks"]["$get"]>>>["sources"][number];
type Delivery = SuccessOf<Awaited<ReturnType<Client["api"]["webhooks"]["deliveries"]["$get"]>>>["deliveries"][number];

const SOURCE_COLUMNS: readonly Column<Source>[] = [
  { title: "NAME", value: ({ name }) => name },
  { title: "KIND", value: ({ kind }) => kind },
  { title: "ADDRESS", value: ({ path }) => path },
  { title: "REPOSITORIES", value: ({ repositories }) => oneLine(repositories.join(", ")) || "any", shrinks: true },
  { title: "GOALS", value: ({ goalLabel }) => (goalLabel === null ? "-" : oneLine(goalLabel)) },
  {
    title: "REFUSED",
    value: ({ refusals }) => String(refusals),
    align: "right",
    tone: ({ refusals }) => (refusals > 0 ? "warn" : undefined),
  },
];

export const webhookList: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const found = await api.value.ask("list the sources of webhooks", (client) => client.api.webhooks.$get());
  if (!found.ok) return console.fail(found.error);
  const { sources } = found.value;
  if (console.json) console.document(found.value);
  else if (sources.length === 0) console.note("Nobody may deliver webhooks: webhooks.sources is empty.");
  else {
    console.table(sources, SOURCE_COLUMNS);
    for (const { name, fault, lastRefusal } of sources) {
      if (fault !== null) console.note(oneLine(`${name}: ${fault}`));
      else if (lastRefusal !== null) {
        console.note(oneLine(`${name}: last not believed at ${instantText(lastRefusal.atMs)}: ${lastRefusal.reason}`));
      }
    }
  }
  return EXIT.ok;
};

function deliveryColumns(nowMs: number): readonly Column<Delivery>[] {
  return [
    { title: "N", value: ({ n }) => String(n), align: "right" },
    { title: "AGE", value: ({ receivedAtMs }) => ageText(receivedAtMs, nowMs), align: "right" },
    { title: "SOURCE", value: ({ source }) => source },
    { title: "EVENT", value: ({ event, action }) => oneLine(action === null ? event : `${event} ${action}`) },
    { title: "REPOSITORY", value: ({ repository }) => oneLine(repository ?? "-") },
    { title: "OUTCOME", value: ({ outcome, goalId }) => (goalId === null ? outcome : `goal ${goalId}`) },
    {
      title: "STATE",
      value: ({ state }) => state,
      tone: ({ state }) => (state === "failed" ? "bad" : state === "due" ? "warn" : undefined),
    },
    { title: "AGAIN", value: ({ repeats }) => String(repeats), align: "right" },
    { title: "WHY", value: ({ error, reason }) => oneLine(error ?? reason), shrinks: true },
  ];
}

export const webhookDeliveries: Handler<{
  readonly source: string | undefined;
  readonly limit: number | undefined;
}> = async ({ options }, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const query = {
    ...(options.source === undefined ? {} : { source: options.source }),
    ...(options.limit === undefined ? {} : { limit: String(options.limit) }),
  };
  const found = await api.value.ask("list webhooks", (client) => client.api.webhooks.deliveries.$get({ query }));
  if (!found.ok) return console.fail(found.error);
  const { deliveries } = found.value;
  if (console.json) console.document(found.value);
  else if (deliveries.length === 0) console.note("No webhook has come in.");
  else console.table(deliveries, deliveryColumns(environment.clock.nowMs()));
  return EXIT.ok;
};

export const webhookShow: Handler<object> = async ({ args }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const param = { n: encodeURIComponent(args[0] ?? "") };
  const found = await api.value.ask("show the webhook", (client) =>
    client.api.webhooks.deliveries[":n"].$get({ param }),
  );
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else {
    const { delivery, body } = found.value;
    console.table([delivery], deliveryColumns(context.environment.clock.nowMs()));
    console.note(oneLine(`Delivery ${delivery.deliveryId} of ${delivery.sender ?? "nobody named"}`));
    if (body === null) console.note(`Its body of ${bytesText(delivery.bytes)} is not kept any more.`);
    else console.line(oneLine(body));
  }
  return EXIT.ok;
};

export const webhookRedeliver: Handler<object> = async ({ args }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach(
    args,
    context,
    async (n) => {
      const again = await api.value.ask(`deliver ${n} again`, (client) =>
        client.api.webhooks.deliveries[":n"].redeliver.$post({ param: { n: encodeURIComponent(n) } }),
      );
      return again.ok ? ok({ ...again.value }) : again;
    },
    ({ n, outcome, reason, error }) => oneLine(`${n}: ${outcome}, ${error ?? reason}`),
  );
};
