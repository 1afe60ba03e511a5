/** The mind of the node that answers. */
import type { Result } from "#base";
import type { Api, Client, SuccessOf } from "../connection/api.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import { durationText, instantText, plural } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import type { Tone } from "../output/terminal.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { facts } from "../tasks/task-text.ts";

export type MindShown = SuccessOf<Awaited<ReturnType<Client["api"]["hub"]["state"]["$get"]>>>;
type Entry = SuccessOf<Awaited<ReturnType<Client["api"]["hub"]["history"]["$get"]>>>["items"][number];
type Rules = SuccessOf<Awaited<ReturnType<Client["api"]["hub"]["rules"]["$get"]>>>;

type By = { readonly by: string | undefined };
type Because = By & { readonly reason: string | undefined };

const USUAL_ROWS = 20;
/** Entries that are asked for at once. */
const PAGE_ROWS = 500;

export const fsmState: Handler<object> = (_invocation, context) =>
  asked(context, (api) => api.ask("show the mind", (client) => client.api.hub.state.$get()));

export const fsmPause: Handler<Because & { readonly for: number | undefined }> = ({ options }, context) => {
  const json = { ...becauseOf(options), ...(options.for === undefined ? {} : { forMs: options.for }) };
  return asked(context, (api) => api.ask("pause the mind", (client) => client.api.hub.pause.$post({ json })));
};

export const fsmResume: Handler<By> = ({ options }, context) =>
  asked(context, (api) => api.ask("resume the mind", (client) => client.api.hub.resume.$post({ json: byOf(options) })));

export const fsmRelease: Handler<By> = ({ options }, context) =>
  asked(context, (api) =>
    api.ask("release the mind", (client) => client.api.hub.release.$post({ json: byOf(options) })),
  );

export const fsmForce: Handler<Because> = ({ args, options }, context) => {
  // `as`: the API says which states there are.
  const json = { ...becauseOf(options), to: (args[0] ?? "") as MindShown["state"] };
  return asked(context, (api) => api.ask("move the mind", (client) => client.api.hub.force.$post({ json })));
};

function byOf({ by }: By): { readonly by?: string } {
  return by === undefined ? {} : { by };
}

function becauseOf({ by, reason }: Because): { readonly by?: string; readonly reason?: string } {
  return { ...byOf({ by }), ...(reason === undefined ? {} : { reason }) };
}

async function asked(context: CommandContext, ask: (api: Api) => Promise<Result<MindShown, Fault>>): Promise<number> {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const found = await ask(api.value);
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else print(found.value, context);
  return EXIT.ok;
}

function print(mind: MindShown, { console }: CommandContext): void {
  const { work, treatments } = mind;
  const now = treatments.filter(({ verdict }) => verdict === null);
  const pairs: [string, string][] = [
    ["state", console.paint(toneOf(mind), mindText(mind))],
    ["because", oneLine(mind.reason)],
    ...(mind.deadlineMs === null
      ? []
      : [["ends within", durationText(Math.max(0, mind.deadlineMs - mind.nowMs))] as [string, string]]),
    ["work", `${plural(work.readyGoals, "goal")} and ${plural(work.readyTasks, "task")} ready`],
    ...now.map((each): [string, string] => [
      "heals",
      `${each.fault} of ${oneLine(each.target)} by ${each.remediation}`,
    ]),
  ];
  for (const line of facts(pairs, console.out)) console.line(line);
  // Everything that is measured is told; what is well needs no line.
  const faults = mind.faults.filter(({ level, leaveAt }) => level > leaveAt);
  if (faults.length > 0) {
    console.line();
    console.table(faults, FAULT_COLUMNS);
  }
  if (mind.hold !== null) console.hint("Look at what is wrong, then: drover fsm release");
  else if (mind.pause !== null) console.hint("Let it go on with: drover fsm resume");
}

/** @returns one line: what it does, for how long. */
export function mindText(mind: MindShown): string {
  const { state, sinceMs, nowMs, pause, hold, isEnabled, problem } = mind;
  if (!isEnabled) return "off";
  if (problem !== null) return `does not act: ${oneLine(problem)}`;
  if (pause !== null) {
    const until = pause.untilMs === null ? "until it is resumed" : `for ${durationText(pause.untilMs - nowMs)} more`;
    return `paused by ${oneLine(pause.by)} ${until}: ${oneLine(pause.reason)}`;
  }
  if (hold !== null) return `on hold for a person: ${oneLine(hold.reason)}`;
  return `${state} for ${durationText(Math.max(0, nowMs - sinceMs))}`;
}

function toneOf({ state, pause, hold, problem }: MindShown): Tone | undefined {
  if (hold !== null || problem !== null) return "bad";
  if (pause !== null || state === "healing") return "warn";
  return state === "resting" ? undefined : "busy";
}

const FAULT_COLUMNS: readonly Column<MindShown["faults"][number]>[] = [
  { title: "FAULT", value: ({ kind }) => kind, tone: ({ level, enterAt }) => (level >= enterAt ? "bad" : undefined) },
  { title: "OF", value: ({ target }) => oneLine(target), shrinks: true },
  { title: "LEVEL", value: ({ level, unit }) => levelText(level, unit), align: "right" },
  { title: "HEALS FROM", value: ({ enterAt, unit }) => levelText(enterAt, unit), align: "right" },
];

function levelText(level: number, unit: string): string {
  return unit === "ms" ? durationText(level) : `${level} ${oneLine(unit)}`;
}

export const fsmHistory: Handler<{ readonly limit: number | undefined }> = async ({ options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const wanted = options.limit ?? USUAL_ROWS;
  const entries: Entry[] = [];
  let cursor: string | null = "";
  while (cursor !== null && entries.length < wanted) {
    const limit = String(Math.min(PAGE_ROWS, wanted - entries.length));
    const query: { limit: string; cursor?: string } = cursor === "" ? { limit } : { limit, cursor };
    const page: Result<{ items: Entry[]; nextCursor: string | null }, Fault> = await api.value.ask(
      "show what the mind decided",
      (client) => client.api.hub.history.$get({ query }),
    );
    if (!page.ok) return console.fail(page.error);
    entries.push(...page.value.items);
    cursor = page.value.nextCursor;
  }
  if (console.json) console.document({ items: entries });
  else if (entries.length === 0) console.note("The mind has decided nothing yet: it is at rest.");
  else console.table(entries, ENTRY_COLUMNS);
  return EXIT.ok;
};

const ENTRY_COLUMNS: readonly Column<Entry>[] = [
  { title: "WHEN", value: ({ atMs }) => instantText(atMs) },
  { title: "WHAT", value: whatText, shrinks: true },
  { title: "BECAUSE", value: whyText, shrinks: true },
  { title: "BY", value: ({ by }) => oneLine(by) },
];

function whatText({ kind, detail }: Entry): string {
  const said = (name: string): string => oneLine(textOf(detail[name]));
  switch (kind) {
    case "changed": {
      const lasted = detail["lastedMs"];
      const after = typeof lasted === "number" ? ` after ${durationText(lasted)}` : "";
      return `${said("from")} → ${said("to")}${after}`;
    }
    case "treated":
      return `${said("remediation")} for ${said("fault")} of ${said("target")}`;
    case "judged":
      return `treatment ${said("treatment")}: ${said("verdict")}`;
    case "stoodStill":
      return "stood still";
    case "holdOver":
      return "hold over";
    default:
      return oneLine(kind);
  }
}

function whyText({ kind, detail }: Entry): string {
  const missedMs = detail["missedMs"];
  if (kind === "stoodStill" && typeof missedMs === "number") {
    return `nothing was decided for ${durationText(missedMs)}; it is held against no state`;
  }
  return kind === "holdOver" ? "what it was for is gone" : oneLine(textOf(detail["reason"]));
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

export const fsmRules: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const rules = await api.value.ask("show the rules of the mind", (client) => client.api.hub.rules.$get());
  if (!rules.ok) return console.fail(rules.error);
  if (console.json) {
    console.document(rules.value);
    return EXIT.ok;
  }
  console.table(rules.value.states, [
    { title: "STATE", value: ({ state }) => state },
    { title: "AT LEAST", value: ({ atLeastMs }) => durationText(atLeastMs), align: "right" },
    { title: "AT MOST", value: ({ atMostMs }) => durationText(atMostMs), align: "right" },
    { title: "ENTRIES", value: ({ entriesPerPeriod }) => String(entriesPerPeriod), align: "right" },
  ]);
  console.line();
  console.table(rules.value.remediations, REMEDIATION_COLUMNS);
  return EXIT.ok;
};

const REMEDIATION_COLUMNS: readonly Column<Rules["remediations"][number]>[] = [
  { title: "FAULT", value: ({ fault }) => fault },
  { title: "FROM", value: ({ enterAt, unit }) => levelText(enterAt, unit), align: "right" },
  { title: "UNTIL", value: ({ leaveAt, unit }) => levelText(leaveAt, unit), align: "right" },
  { title: "REMEDIATION", value: ({ name }) => name },
  { title: "ATTEMPTS", value: ({ attempts, withinMs }) => `${attempts} in ${durationText(withinMs)}`, align: "right" },
];
