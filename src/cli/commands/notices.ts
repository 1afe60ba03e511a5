/** What people and other programs are told. */
import { ok } from "#base";
import type { Client, SuccessOf } from "../connection/api.ts";
import { EXIT } from "../exit-codes.ts";
import { ageText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { forEach } from "./each.ts";

type Channel = SuccessOf<Awaited<ReturnType<Client["api"]["notify"]["$get"]>>>["channels"][number];
type Notice = SuccessOf<Awaited<ReturnType<Client["api"]["notify"]["history"]["$get"]>>>["notices"][number];

function channelColumns(nowMs: number): readonly Column<Channel>[] {
  return [
    { title: "NAME", value: ({ name }) => name },
    { title: "KIND", value: ({ kind }) => kind },
    { title: "FROM", value: ({ leastSeverity }) => leastSeverity },
    { title: "WANTS", value: ({ kinds }) => oneLine(kinds.join(", ")) },
    { title: "WAITING", value: ({ waiting }) => String(waiting), align: "right" },
    { title: "SENT", value: ({ sent }) => String(sent), align: "right" },
    {
      title: "FAILED",
      value: ({ failed, left }) => String(failed + left),
      align: "right",
      tone: ({ failed, left }) => (failed + left > 0 ? "warn" : undefined),
    },
    { title: "LAST", value: ({ lastSentAtMs }) => (lastSentAtMs === null ? "-" : ageText(lastSentAtMs, nowMs)) },
    { title: "TO", value: ({ target }) => oneLine(target), shrinks: true },
  ];
}

export const notifyList: Handler<object> = async (_invocation, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const found = await api.value.ask("list the channels", (client) => client.api.notify.$get());
  if (!found.ok) return console.fail(found.error);
  const { channels } = found.value;
  if (console.json) console.document(found.value);
  else if (channels.length === 0) console.note("Nobody is told of anything: notify.channels is empty.");
  else {
    console.table(channels, channelColumns(environment.clock.nowMs()));
    for (const { name, lastError, waiting, failed } of channels) {
      if (lastError !== null && waiting + failed > 0) console.note(oneLine(`${name}: ${lastError}`));
    }
  }
  return EXIT.ok;
};

export const notifyTest: Handler<object> = async ({ args }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  return forEach(
    args,
    context,
    async (channel) => {
      const tested = await api.value.ask(`test ${channel}`, (client) =>
        client.api.notify[":channel"].test.$post({ param: { channel: encodeURIComponent(channel) } }),
      );
      return tested.ok ? ok({ ...tested.value }) : tested;
    },
    ({ channel, target }) => oneLine(`${channel}: taken by ${target}`),
  );
};

function noticeColumns(nowMs: number): readonly Column<Notice>[] {
  return [
    { title: "N", value: ({ n }) => String(n), align: "right" },
    { title: "AGE", value: ({ atMs }) => ageText(atMs, nowMs), align: "right" },
    { title: "CHANNEL", value: ({ channel }) => channel },
    {
      title: "STATE",
      value: ({ state }) => state,
      tone: ({ state }) => (state === "sent" ? "good" : state === "waiting" ? undefined : "bad"),
    },
    { title: "TRIES", value: ({ tries }) => String(tries), align: "right" },
    { title: "SEVERITY", value: ({ severity }) => severity },
    { title: "TITLE", value: ({ title }) => oneLine(title), shrinks: true },
    { title: "WHY", value: ({ error }) => oneLine(error ?? ""), shrinks: true },
  ];
}

export const notifyHistory: Handler<{
  readonly channel: string | undefined;
  readonly limit: number | undefined;
}> = async ({ options }, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const query = {
    ...(options.channel === undefined ? {} : { channel: options.channel }),
    ...(options.limit === undefined ? {} : { limit: String(options.limit) }),
  };
  const found = await api.value.ask("list the notices", (client) => client.api.notify.history.$get({ query }));
  if (!found.ok) return console.fail(found.error);
  const { notices } = found.value;
  if (console.json) console.document(found.value);
  else if (notices.length === 0) console.note("Nothing was to be told.");
  else console.table(notices, noticeColumns(environment.clock.nowMs()));
  return EXIT.ok;
};
