/** What the node that answers had accepted as a hub that was superseded. */
import { ok, type Result } from "#base";
import type { Client, SuccessOf } from "../connection/api.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import { bytesText, durationText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { forEach } from "./each.ts";

type Folder = SuccessOf<Awaited<ReturnType<Client["api"]["fleet"]["quarantine"]["$get"]>>>["folders"][number];
type Shown = SuccessOf<Awaited<ReturnType<Client["api"]["fleet"]["quarantine"][":name"]["$get"]>>>;
type Entry = Shown["entries"][number];

export const quarantineList: Handler<object> = async (_invocation, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const found = await api.value.ask("list the quarantine", (client) => client.api.fleet.quarantine.$get());
  if (!found.ok) return console.fail(found.error);
  const { folders } = found.value;
  if (console.json) console.document(found.value);
  else if (folders.length === 0) console.note("Nothing is in quarantine: this node was never superseded as a hub.");
  else {
    console.table(folders, folderColumns(environment.clock.nowMs()));
    for (const { name, note } of folders) if (note !== null) console.note(oneLine(`${name}: ${note}`));
    if (folders.some(({ counts }) => counts.refused > 0)) {
      console.hint("See what the new hub did not take, and why: drover quarantine show NAME");
    }
  }
  return EXIT.ok;
};

function folderColumns(nowMs: number): readonly Column<Folder>[] {
  const count = (title: string, which: keyof Folder["counts"]): Column<Folder> => ({
    title,
    value: ({ counts }) => String(counts[which]),
    align: "right",
  });
  return [
    { title: "NAME", value: ({ name }) => name },
    { title: "AGE", value: ({ atMs }) => durationText(Math.max(0, nowMs - atMs)), align: "right" },
    { title: "EPOCH", value: ({ epoch }) => (epoch === null ? "-" : String(epoch)), align: "right" },
    { title: "STATE", value: ({ state }) => state, tone: ({ state }) => (state === "settled" ? "good" : "warn") },
    count("WAITING", "waiting"),
    count("ACCEPTED", "accepted"),
    count("SUPERSEDED", "superseded"),
    count("LEFT", "left"),
    { ...count("REFUSED", "refused"), tone: ({ counts }) => (counts.refused > 0 ? "bad" : undefined) },
    { title: "SIZE", value: ({ bytes }) => bytesText(bytes), align: "right" },
  ];
}

/** Entries that are asked for at once. */
const PAGE = "500";

export const quarantineShow: Handler<{ readonly all: boolean }> = async ({ args, options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const param = { name: encodeURIComponent(args[0] ?? "") };
  const entries: Entry[] = [];
  let after: number | null = 0;
  while (after !== null) {
    const query: { after: string; limit: string } = { after: String(after), limit: PAGE };
    const page: Result<Shown, Fault> = await api.value.ask("show the quarantine", (client) =>
      client.api.fleet.quarantine[":name"].$get({ param, query }),
    );
    if (!page.ok) return console.fail(page.error);
    entries.push(...page.value.entries);
    after = page.value.nextAfter;
  }
  const shown = options.all ? entries : entries.filter(({ outcome }) => outcome !== "accepted");
  if (console.json) console.document({ entries: shown });
  else if (shown.length === 0) console.note(`The new hub has all ${entries.length} of them.`);
  else console.table(shown, ENTRY_COLUMNS);
  return EXIT.ok;
};

const ENTRY_COLUMNS: readonly Column<Entry>[] = [
  { title: "KIND", value: ({ kind }) => kind },
  { title: "TASK", value: ({ taskId }) => taskId ?? "-" },
  { title: "EVENT", value: ({ event }) => event },
  {
    title: "OUTCOME",
    value: ({ outcome }) => outcome,
    tone: ({ outcome }) => (outcome === "refused" ? "bad" : outcome === "accepted" ? "good" : undefined),
  },
  { title: "WHY", value: ({ reason }) => oneLine(reason ?? ""), shrinks: true },
];

export const quarantineDrop: Handler<{ readonly force: boolean }> = async ({ args, options }, context) => {
  const api = await context.connect();
  if (!api.ok) return context.console.fail(api.error);
  const query = { force: options.force ? ("true" as const) : ("false" as const) };
  return forEach(
    args,
    context,
    async (name) => {
      const dropped = await api.value.ask(`delete ${name}`, (client) =>
        client.api.fleet.quarantine[":name"].$delete({ param: { name: encodeURIComponent(name) }, query }),
      );
      return dropped.ok ? ok({ ...dropped.value }) : dropped;
    },
    ({ name }) => `Deleted ${oneLine(name)}`,
  );
};
