import type { EventView } from "#api";
import { MAX_PAGE_ROWS, ok, type Result } from "#base";
import type { Api } from "../connection/api.ts";
import { follow } from "../connection/follow.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import type { Console, Fault } from "../output/console.ts";
import { instantText } from "../output/quantities.ts";
import type { Tone } from "../output/terminal.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";

const USUAL_TAIL = 20;

export const events: Handler<{ readonly tail: number | undefined; readonly follow: boolean }> = async (
  { options },
  context,
) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const last = await printTail(api.value, options.tail ?? USUAL_TAIL, console);
  if (!last.ok) return console.fail(last.error);
  if (!options.follow) return EXIT.ok;
  const fault = await printNew(api.value, last.value, context);
  // An end asked for with Ctrl-C is the usual end of a stream.
  return fault === undefined ? EXIT.ok : console.fail(fault);
};

/** Prints the latest `count` events. @returns the number of the last one there is. */
async function printTail(api: Api, count: number, console: Console): Promise<Result<number, Fault>> {
  const range = await api.ask("read the history", (client) =>
    client.api.events.$get({ query: { tail: "0", limit: "1" } }),
  );
  if (!range.ok) return range;
  const { lastSeq, firstSeq } = range.value;
  let after = Math.max(0, lastSeq - count, firstSeq - 1);
  while (after < lastSeq) {
    const query = { after: String(after), limit: String(Math.min(MAX_PAGE_ROWS, lastSeq - after)) };
    const page = await api.ask("read the history", (client) => client.api.events.$get({ query }));
    if (!page.ok) return page;
    for (const event of page.value.events) printEvent(event, console);
    if (page.value.events.length === 0) break;
    after = page.value.nextAfter;
  }
  return ok(Math.max(after, lastSeq));
}

async function printNew(
  api: Api,
  afterSeq: number,
  { console, environment }: CommandContext,
): Promise<Fault | undefined> {
  const stream = follow(api, "follow the history", {
    open: (client) => client.api.events.$get({ query: {} }),
    lastEventId: String(afterSeq),
    signal: environment.interrupted,
  });
  for (;;) {
    const next = await stream.next();
    if (next.done === true) return next.value;
    if (next.value.kind === "lost") console.note(`${next.value.reason}; connecting again`);
    if (next.value.kind === "event") printFrame(next.value.event, console);
  }
}

function printFrame(frame: { readonly event: string; readonly data: string }, console: Console): void {
  if (frame.event === "end") return;
  if (frame.event === "gap") {
    console.note("Some events are no longer kept; the history goes on after them.");
    return;
  }
  try {
    if (frame.event === "maintenance") {
      printMaintenance(frame.data, console);
      return;
    }
    // `as`: the API's frames hold one event each; a newer one has more fields, not fewer.
    printEvent(JSON.parse(frame.data) as EventView, console);
  } catch {
    console.note(`an event that cannot be read: ${oneLine(frame.data.slice(0, 200))}`);
  }
}

/** Not an event of the queue, so it has no number: the node tells whoever listens that a swap begins or is over. */
function printMaintenance(data: string, console: Console): void {
  // `as`: a frame of the API; one that lacks a field reads as undefined, which is looked at.
  const { on, version } = JSON.parse(data) as { readonly on?: boolean; readonly version?: string };
  if (console.json) console.jsonLine({ kind: "maintenance", on: on === true, version: version ?? null });
  else if (on === true)
    console.line(console.paint("warn", `maintenance: release ${oneLine(String(version))} is being installed`));
  else console.line(`maintenance is over; release ${oneLine(String(version))} runs`);
}

function printEvent(event: EventView, console: Console): void {
  if (console.json) {
    console.jsonLine(event);
    return;
  }
  const data = Object.entries(event.data).map(
    ([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  const parts = [
    console.paint("faint", instantText(event.atMs)),
    console.paint(toneOf(event.kind), event.kind.padEnd(16)),
    ...(event.taskId === null ? [] : [event.taskId]),
    ...(data.length === 0 ? [] : [oneLine(data.join(" "))]),
  ];
  console.line(parts.join("  "));
}

function toneOf(kind: string): Tone | undefined {
  if (kind === "task.done") return "good";
  if (kind === "task.dead" || kind === "attempt.orphaned") return "bad";
  if (kind === "task.started") return "busy";
  return kind === "task.retry" || kind === "task.cancelled" || kind === "queue.paused" ? "warn" : undefined;
}
