import { resolve } from "node:path";
import { type Api, type Client, interruptedFault, type SuccessOf } from "../connection/api.ts";
import { parseNodeFile } from "../connection/locate.ts";
import { pause } from "../connection/pause.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { bytesText, durationText, plural } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";

export type NodesShown = SuccessOf<Awaited<ReturnType<Client["api"]["nodes"]["$get"]>>>;

/** How often it is looked whether the node has gone. */
const GONE_EVERY_MS = 200;
/** From the last answer on: attempts end, databases are closed. */
const CLOSED_LIMIT_MS = 60_000;
/** A copy of a large database, and its check, take their time. */
const BACKUP_DEADLINE_MS = 30 * 60_000;

export const down: Handler<{ readonly force: boolean }> = async ({ options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const nodeFile = await ownNodeFile(api.value, context);
  const json = { mode: options.force ? "now" : "drain" } as const;
  const answer = await api.value.ask("stop the node", (client) => client.api.shutdown.$post({ json }));
  if (!answer.ok) return console.fail(answer.error);
  const { running } = answer.value;
  if (running > 0 && !options.force) console.note(`waiting for ${plural(running, "running attempt")} to end`);
  // In safe mode the watchdog answers, and removes its own file last.
  const file = "safeMode" in answer.value ? await watchdogFile(api.value, context) : nodeFile;
  const gone = (await untilSilent(api.value, context)) && (await untilClosed(file, context));
  if (!gone) return console.fail(interruptedFault("stop the node: it goes on stopping"));
  if (console.json) console.document(answer.value);
  else console.line("safeMode" in answer.value ? "The watchdog has stopped." : "The node has stopped.");
  return EXIT.ok;
};

/** @returns false when the person did not want to wait longer. */
async function untilSilent(api: Api, { environment }: CommandContext): Promise<boolean> {
  const { clock, interrupted } = environment;
  while (!interrupted.aborted) {
    // A node that drains may take long; one that answers anything at all is still there.
    const answer = await api.fetchWhole("stop the node", (client) => client.health.live.$get(), 5_000);
    if (!answer.ok && answer.error.exit === EXIT.unreachable) return true;
    await pause(clock, GONE_EVERY_MS, interrupted);
  }
  return false;
}

async function watchdogFile(api: Api, { environment }: CommandContext): Promise<NodeFileText | undefined> {
  const { stateDir } = api.location;
  if (stateDir === undefined) return undefined;
  const path = `${stateDir}/watchdog.json`;
  const read = await environment.readText(path);
  return read.ok ? { path, text: read.value } : undefined;
}

type NodeFileText = { readonly path: string; readonly text: string };

/** What the node that was asked wrote about itself, if it can be read here. */
async function ownNodeFile(api: Api, { environment }: CommandContext): Promise<NodeFileText | undefined> {
  const { stateDir, url } = api.location;
  if (stateDir === undefined) return undefined;
  const path = `${stateDir}/node.json`;
  const read = await environment.readText(path);
  return read.ok && parseNodeFile(read.value)?.url === url ? { path, text: read.value } : undefined;
}

/**
 * A node removes its file last, when another one may start on its folder. One that died meanwhile leaves the file.
 * @returns false when the person did not want to wait longer, or it took too long.
 */
async function untilClosed(file: NodeFileText | undefined, { environment }: CommandContext): Promise<boolean> {
  if (file === undefined) return true;
  const { clock, interrupted } = environment;
  const endMs = clock.monotonicMs() + CLOSED_LIMIT_MS;
  while (!interrupted.aborted && clock.monotonicMs() < endMs) {
    const read = await environment.readText(file.path);
    if (!read.ok || read.value !== file.text) return true;
    await pause(clock, GONE_EVERY_MS, interrupted);
  }
  return false;
}

export const nodeList: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const nodes = await api.value.ask("list nodes", (client) => client.api.nodes.$get());
  if (!nodes.ok) return console.fail(nodes.error);
  if (console.json) console.document(nodes.value);
  else {
    const nowMs = context.environment.clock.nowMs();
    console.table(nodes.value.nodes, nodeColumns(nowMs));
    for (const { name, backOff, pendingSettings } of nodes.value.nodes) {
      if (pendingSettings.length > 0) {
        console.note(`${oneLine(name)} takes up with its next start: ${pendingSettings.map(oneLine).join(", ")}`);
      }
      if (backOff === null) continue;
      console.note(
        `${oneLine(name)} gets no work for ${durationText(Math.max(0, backOff.untilMs - nowMs))}: ${backOff.reason}`,
      );
    }
  }
  return EXIT.ok;
};

export function nodeColumns(nowMs: number): readonly Column<NodesShown["nodes"][number]>[] {
  return [
    { title: "ID", value: ({ id }) => id },
    { title: "NAME", value: ({ name, isSelf }) => (isSelf ? `${name} (this one)` : name), shrinks: true },
    {
      title: "ROLE",
      value: ({ role, state, backOff, isVoter }) => {
        const kept = state !== "active" ? [state] : backOff === null ? [] : ["backed off"];
        return [role ?? "-", ...(isVoter ? ["votes"] : []), ...kept].join(", ");
      },
      tone: ({ backOff }) => (backOff === null ? undefined : "warn"),
    },
    {
      title: "SEEN",
      value: ({ isSelf, seenAtMs }) => (isSelf ? "now" : seenAtMs === null ? "-" : ageText(nowMs, seenAtMs)),
      tone: ({ isFresh }) => (isFresh ? undefined : "warn"),
    },
    {
      title: "COPY",
      value: ({ role, copy }) => copyText(role, copy),
      tone: ({ copy }) => (copy === null || copy.state === "attached" ? undefined : "warn"),
      optional: true,
    },
    { title: "EPOCH", value: ({ epoch }) => String(epoch ?? "-"), align: "right", optional: true },
    { title: "RUNNING", value: ({ running }) => String(running ?? "-"), align: "right" },
    { title: "VERSION", value: ({ version }) => version ?? "-", optional: true },
    { title: "LEVEL", value: ({ featureLevels }) => levelText(featureLevels), optional: true },
    { title: "EXECUTORS", value: ({ executors }) => executors.join(", ") },
    {
      title: "VRAM",
      value: ({ vramBytes }) => (vramBytes === 0 ? "-" : bytesText(vramBytes)),
      align: "right",
      optional: true,
    },
    {
      title: "MODELS",
      value: ({ models }) => (models.length === 0 ? "-" : models.join(", ")),
      shrinks: true,
      optional: true,
    },
    { title: "LABELS", value: ({ labels }) => labelText(labels), shrinks: true, optional: true },
  ];
}

/** @returns `attached`, or how old the copy is that it reads while it cannot follow its hub. */
function copyText(role: NodesShown["nodes"][number]["role"], copy: NodesShown["nodes"][number]["copy"]): string {
  if (copy === null) return role === "hub" ? "the hub's" : "-";
  return copy.state === "stale" ? `${durationText(copy.staleMs)} old` : copy.state;
}

function levelText(levels: NodesShown["nodes"][number]["featureLevels"]): string {
  return levels === null ? "-" : String(levels.newest);
}

function ageText(nowMs: number, atMs: number): string {
  return `${durationText(Math.max(0, nowMs - atMs))} ago`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  return pairs.length === 0 ? "-" : pairs.join(", ");
}

export const backup: Handler<object> = async ({ args }, context) => {
  const { console, environment } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const [file] = args;
  const json = file === undefined ? {} : { file: resolve(environment.cwd, file) };
  const answer = await api.value.ask("back up", (client) => client.api.backup.$post({ json }), BACKUP_DEADLINE_MS);
  if (!answer.ok) return console.fail(answer.error);
  if (console.json) {
    console.document(answer.value);
    return EXIT.ok;
  }
  console.line(oneLine(answer.value.file));
  console.note(`A verified copy of ${bytesText(answer.value.sizeBytes)}. Put it back with: drover restore FILE`);
  return EXIT.ok;
};
