import type { NodeView, QueueView, TaskView } from "#api";
import type { Client, SuccessOf } from "../connection/api.ts";
import { askSafeMode, isSafeMode } from "../connection/safe-mode.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { bytesText, durationText, plural } from "../output/quantities.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { laneColumns, laneRows } from "../tasks/queue-text.ts";
import { facts, noteOf } from "../tasks/task-text.ts";
import { alertColumns, type ShownAlert } from "./alerts.ts";
import { deadColumns } from "./dead.ts";
import { type MindShown, mindText } from "./mind.ts";
import { type NodesShown, nodeColumns } from "./node.ts";
import { showSafeMode } from "./safe-mode.ts";

/** One screen holds these beside everything else. */
const DEAD_SHOWN = 5;
const RUNNING_SHOWN = 8;
const NODES_SHOWN = 12;
const ALERTS_SHOWN = 5;
/** A node that follows its hub is never this far behind it. */
const STALE_MS = 10_000;

type Watchdog = SuccessOf<Awaited<ReturnType<Client["api"]["watchdog"]["$get"]>>>;
type Releases = SuccessOf<Awaited<ReturnType<Client["api"]["releases"]["$get"]>>>;

type Status = {
  readonly node: NodeView;
  readonly nodes: NodesShown["nodes"];
  readonly queue: QueueView;
  readonly running: readonly TaskView[];
  readonly dead: readonly TaskView[];
  /** Null for a node that no watchdog started. */
  readonly watchdog: Watchdog | null;
  readonly releases: Releases | null;
  /** Those that are not over. */
  readonly alerts: readonly ShownAlert[];
  /** Null for a node of a release whose mind does not act. */
  readonly mind: MindShown | null;
};

export const status: Handler<object> = async (_invocation, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  const ask = api.value;
  const limit = String(Math.max(DEAD_SHOWN, RUNNING_SHOWN));
  const [node, nodes, queue, running, dead, watchdog, releases, alerts, mind] = await Promise.all([
    ask.ask("show the status", (client) => client.api.node.$get()),
    ask.ask("show the status", (client) => client.api.nodes.$get()),
    ask.ask("show the status", (client) => client.api.queue.$get()),
    ask.ask("show the status", (client) => client.api.tasks.$get({ query: { state: "running", limit } })),
    ask.ask("show the status", (client) => client.api.dead.$get({ query: { limit } })),
    ask.ask("show the status", (client) => client.api.watchdog.$get()),
    ask.ask("show the status", (client) => client.api.releases.$get()),
    ask.ask("show the status", (client) => client.api.alerts.$get({ query: {} })),
    ask.ask("show the status", (client) => client.api.hub.state.$get()),
  ]);
  if (!node.ok) {
    if (!isSafeMode(node.error)) return console.fail(node.error);
    const safe = await askSafeMode(ask, "show the status");
    return safe.ok ? showSafeMode(safe.value, context) : console.fail(safe.error);
  }
  if (!queue.ok) return console.fail(queue.error);
  if (!running.ok) return console.fail(running.error);
  if (!dead.ok) return console.fail(dead.error);
  const found: Status = {
    node: node.value,
    nodes: nodes.ok ? nodes.value.nodes : [],
    queue: queue.value,
    running: running.value.items,
    dead: dead.value.items,
    watchdog: watchdog.ok ? watchdog.value : null,
    releases: releases.ok ? releases.value : null,
    alerts: alerts.ok ? alerts.value.items : [],
    mind: mind.ok ? mind.value : null,
  };
  if (console.json) console.document(found);
  else print(found, context);
  return found.node.ready ? EXIT.ok : EXIT.unhealthy;
};

function print(found: Status, context: CommandContext): void {
  const { console, environment } = context;
  printNode(found, context);
  console.line();
  if (found.queue.paused) console.line(console.paint("warn", "The queue is paused: nothing is started."));
  const lanes = laneRows(found.queue).filter(
    ({ name, counts }) => name === "all" || Object.values(counts).some((count) => count > 0),
  );
  console.table(lanes, laneColumns());
  if (found.nodes.length > 1) {
    console.line();
    console.line(`Nodes: ${found.nodes.length}`);
    console.table(found.nodes.slice(0, NODES_SHOWN), nodeColumns(environment.clock.nowMs()));
  }
  printAlerts(found, context);
  if (found.running.length > 0) printRunning(found, context);
  if (found.dead.length > 0) {
    console.line();
    console.line(console.paint("bad", `Dead letters: ${found.queue.totals.dead}`));
    console.table(found.dead.slice(0, DEAD_SHOWN), deadColumns(environment.clock.nowMs()));
  }
  for (const step of nextSteps(found)) console.note(`next: ${step}`);
}

function printAlerts({ alerts }: Status, { console, environment }: CommandContext): void {
  if (alerts.length === 0) return;
  const critical = alerts.filter(({ severity }) => severity === "critical").length;
  const acknowledged = alerts.filter(({ state }) => state === "acknowledged").length;
  console.line();
  const counts = `${critical} critical, ${acknowledged} acknowledged`;
  console.line(console.paint(critical > 0 ? "bad" : "warn", `Alerts: ${alerts.length} (${counts})`));
  console.table(alerts.slice(0, ALERTS_SHOWN), alertColumns(environment.clock.nowMs()));
}

function printNode({ node, watchdog, releases, mind }: Status, { console, environment }: CommandContext): void {
  const state = node.ready ? console.paint("good", "ready") : console.paint("bad", "not ready");
  console.line(`${console.paint("strong", oneLine(node.name))} is ${state}`);
  for (const check of node.checks.filter(({ ok }) => !ok)) {
    console.line(`  ${console.paint("bad", `${oneLine(check.name)}:`)} ${oneLine(check.detail)}`);
  }
  const { storage, memory } = node;
  const pairs: [string, string][] = [
    [
      "version",
      `${node.version} (${node.commit})${node.version === environment.version ? "" : `; this command is ${environment.version}`}`,
    ],
    ["up", `${durationText(node.uptimeMs)}, process ${node.pid}`],
    ["state", node.stateDir],
    ["executors", node.executors.join(", ")],
    ...fleetPairs(node.fleet),
    ...failoverPairs(node.fleet.failover, environment.clock.nowMs()),
    ...settingPairs(node.fleet),
    ["memory", bytesText(memory.rssBytes)],
  ];
  if (storage !== null) {
    pairs.push([
      "storage",
      `${bytesText(storage.fleetDbBytes + storage.nodeDbBytes)}, ${bytesText(storage.freeDiskBytes)} free`,
    ]);
  }
  const nowMs = environment.clock.nowMs();
  if (watchdog === null) pairs.push(["watchdog", "none: nothing starts this node again"]);
  else pairs.push(["watchdog", watchdogText(watchdog, nowMs)]);
  if (releases !== null) pairs.push(["release", releaseText(releases)]);
  if (mind !== null) pairs.push(["mind", mindText(mind)]);
  for (const line of facts(pairs, console.out)) console.line(line);
}

/** Nothing of a node that is alone. */
function fleetPairs(fleet: NodeView["fleet"]): [string, string][] {
  const { role, hub, following, durability, isRestartDue, featureLevel, quarantine } = fleet;
  const safety = durabilityPairs(durability);
  if (role === "solo") return safety;
  const due = isRestartDue ? "; another role from its next start on" : "";
  const level = `; feature level ${featureLevel}`;
  const { waiting, refused } = quarantine;
  const kept: [string, string][] =
    waiting + refused === 0
      ? []
      : [["quarantine", `${waiting} to be sent to the new hub, ${refused} that a person has to look at`]];
  if (hub === null) return [["fleet", `the hub is this node${level}${due}`], ...safety, ...kept];
  const pairs: [string, string][] = [
    ["fleet", `${role}; the hub is ${oneLine(hub.name)} (${oneLine(hub.url)})${level}${due}`],
    ...kept,
  ];
  if (following === null) return pairs;
  if (following.unfit !== null) pairs.push(["no work", oneLine(following.unfit.message)]);
  const { hubAnswers, replica, staleMs, outboxWaiting } = following;
  const age =
    replica === "attached" && staleMs < STALE_MS ? "up to date" : `${replica}, as of ${durationText(staleMs)} ago`;
  const unsent = outboxWaiting === 0 ? "" : `; ${plural(outboxWaiting, "change")} of this node not sent yet`;
  return [...pairs, ["hub", `${hubAnswers ? "answers" : "does not answer"}; what is shown here is ${age}${unsent}`]];
}

/** Nothing where a change is answered when it is on this node's disk, and nothing else was asked for. */
function durabilityPairs(durability: NodeView["fleet"]["durability"]): [string, string][] {
  if (durability === null) return [];
  const { mode, replicas, live, note } = durability;
  if (mode === "local") return note === null ? [] : [["durability", `local: ${note}`]];
  const enough = (live ?? 0) >= (replicas ?? 0) ? "" : "; changes are refused until there are enough";
  return [["durability", `replicated to ${plural(replicas ?? 0, "other node")}, ${live} follow now${enough}`]];
}

/** Nothing where no person has to know: the mode is manual, and no hub was ever replaced. */
function failoverPairs(failover: NodeView["fleet"]["failover"], nowMs: number): [string, string][] {
  if (failover === null) return [];
  const { mode, isActive, voters, leaseMs, holdsLease, term, reason } = failover;
  const wasReplaced = term !== null && term.why !== "first token";
  if (mode === "manual" && !wasReplaced) return [];
  const names = voters.map(({ name }) => oneLine(name)).join(", ");
  const silence = leaseMs === null ? "" : `, after ${durationText(leaseMs)} of silence`;
  const how = isActive
    ? `automatic${silence}; voters: ${names}`
    : mode === "manual"
      ? "manual"
      : `not yet: ${reason ?? ""}`;
  const lease = holdsLease === false ? "; this hub is out of touch with most of them, and acknowledges nothing" : "";
  const since = wasReplaced
    ? `; ${oneLine(term.name)} was ${term.why} ${durationText(Math.max(0, nowMs - term.atMs))} ago`
    : "";
  return [["failover", `${how}${lease}${since}`]];
}

function settingPairs({ pendingSettings }: NodeView["fleet"]): [string, string][] {
  if (pendingSettings.length === 0) return [];
  return [["settings", `pending restart: ${pendingSettings.map(oneLine).join(", ")}`]];
}

function watchdogText({ pid, node, lastFault }: Watchdog, nowMs: number): string {
  const starts = `process ${pid}, ${plural(Math.max(0, node.generation - 1), "restart")}`;
  if (lastFault === null) return `${starts}, no fault`;
  return `${starts}; last fault ${durationText(Math.max(0, nowMs - lastFault.atMs))} ago: ${oneLine(lastFault.reason)}`;
}

function releaseText({ current, swap, history }: Releases): string {
  const own = current ?? "unknown";
  if (swap?.step === "probation") return `${swap.version}, on probation`;
  if (swap !== null) return `${own}; swap to ${swap.version} under way: ${swap.step}`;
  const last = history.at(-1);
  if (last === undefined || last.result === "committed") return own;
  return `${own}; the last try, ${last.version ?? "of an unknown version"}, was ${RESULT_WORDS[last.result] ?? last.result}`;
}

/** Of a row of the history. */
const RESULT_WORDS: Readonly<Record<string, string>> = {
  rolledBack: "rolled back",
  abandoned: "abandoned",
  refused: "refused",
};

function printRunning({ running, queue }: Status, { console, environment }: CommandContext): void {
  const nowMs = environment.clock.nowMs();
  console.line();
  console.line(console.paint("busy", `Running: ${queue.totals.running}`));
  console.table(running.slice(0, RUNNING_SHOWN), [
    { title: "ID", value: ({ id }) => id },
    {
      title: "FOR",
      value: ({ startedAtMs }) => (startedAtMs === null ? "-" : durationText(Math.max(0, nowMs - startedAtMs))),
      align: "right",
    },
    { title: "TITLE", value: ({ title }) => title, shrinks: true },
    { title: "PROGRESS", value: noteOf, shrinks: true, optional: true },
  ]);
}

/** What a person would do now; nothing when all is well. */
function nextSteps({ node, queue, dead, alerts, mind }: Status): readonly string[] {
  const { totals } = queue;
  const [letter] = dead;
  const open = totals.waiting + totals.ready + totals.running;
  return [
    ...(node.ready ? [] : ["the node takes no work until the checks above pass; its log says more"]),
    ...(node.fleet.following?.hubAnswers === false
      ? ["look at the hub: what is submitted here waits for it, and what runs goes on"]
      : []),
    ...(node.fleet.quarantine.refused > 0
      ? ["see what the new hub did not take of what this node had as a hub: drover quarantine list"]
      : []),
    ...(node.fleet.failover?.holdsLease === false
      ? ["look at the other voters; when they are gone for good: drover promote --yes --force here"]
      : []),
    ...(node.fleet.following?.unfit?.remedy === undefined ? [] : [oneLine(node.fleet.following.unfit.remedy)]),
    ...(alerts.some(({ state }) => state === "firing")
      ? ["see what an alert is about, then say that you look after it: drover alert show ID; drover alert ack ID"]
      : []),
    ...(mind !== null && mind.hold !== null
      ? ["see what the mind could not heal, then let it go on: drover fsm state, drover fsm release"]
      : []),
    ...(queue.paused ? ["start tasks again with: drover queue resume"] : []),
    ...(letter === undefined ? [] : [`see why a task died with: drover dead show ${letter.id}`]),
    ...(totals.ready > 0 && totals.running === 0 && !queue.paused && node.ready
      ? [
          `${plural(totals.ready, "task")} could run and none does; ask: drover task list ready, then drover task explain ID`,
        ]
      : []),
    ...(open === 0 && letter === undefined && totals.done === 0
      ? ["submit a first task with: drover task add -- COMMAND ARG…"]
      : []),
  ];
}
