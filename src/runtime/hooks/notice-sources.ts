/** What this node and its fleet have to tell, as notices. */
import { type Clock, type JsonObject, type JsonValue, type Logger, type Result, type Timer } from "#base";
import type { FleetNode } from "#fleet";
import type { Notice, NoticeOutbox, Notices } from "#hooks";
import type { QueueEvent, QueueStore } from "#queue";
import type { AlertNews } from "#telemetry";

export type NoticeSources = {
  readonly notices: Notices;
  readonly outbox: Pick<NoticeOutbox, "position" | "setPosition">;
  readonly store: Pick<QueueStore, "subscribe" | "events" | "eventRange" | "find">;
  /** Whether this node speaks for its fleet: it is the hub, or alone. */
  readonly isLeader: boolean;
  readonly nodeName: string;
  readonly self: string;
  /** Nodes of the fleet as they were heard of. */
  readonly nodes: () => readonly FleetNode[];
  /** How long a node that is always there may be silent. */
  readonly leaseMs: number;
  /** What became of releases on this host. */
  readonly releases: () => Promise<Result<JsonValue>>;
  readonly clock: Clock;
  readonly logger: Logger;
};

const POSITION = "events";
const PAGE = 500;
/** What happened while nobody told it, longer ago than this, is no news. */
const MAX_AGE_MS = 24 * 3_600_000;
const LOOK_EVERY_MS = 15_000;

/** Follows the history from where it was told last, nodes and releases. @returns a function that ends it. */
export function followSources(sources: NoticeSources): () => void {
  const { store, clock, isLeader, logger } = sources;
  let isEnded = false;
  let timer: Timer | undefined;
  let reading: Promise<void> = Promise.resolve();
  const silent = new Set<string>();
  const told = new Set<string>();
  const read = (): void => {
    if (isEnded || !isLeader) return;
    reading = reading
      .then(() => readEvents(sources))
      .catch((cause: unknown) => {
        logger.error("events were not told", { cause: String(cause) });
      });
  };
  const look = (): void => {
    if (isEnded) return;
    read();
    if (isLeader) lookAtNodes(sources, silent);
    void lookAtReleases(sources, told);
    timer = clock.after(LOOK_EVERY_MS, look);
  };
  const unsubscribe = store.subscribe((events) => {
    if (events.some((event) => noticeOfEvent(event, sources.nodeName) !== undefined)) read();
  });
  look();
  return () => {
    isEnded = true;
    unsubscribe();
    timer?.cancel();
  };
}

async function readEvents({ notices, outbox, store, nodeName, clock }: NoticeSources): Promise<void> {
  const position = outbox.position(POSITION);
  if (!position.ok) return;
  const range = await store.eventRange();
  if (!range.ok) return;
  // Of a node that tells for the first time, and of a database that was restored, what is past is past.
  if (position.value === undefined || position.value > range.value.lastSeq) {
    outbox.setPosition(POSITION, range.value.lastSeq);
    return;
  }
  for (let after = position.value; ; ) {
    const events = await store.events(after, PAGE);
    if (!events.ok) return;
    for (const event of events.value) {
      const notice = clock.nowMs() - event.atMs > MAX_AGE_MS ? undefined : noticeOfEvent(event, nodeName);
      if (notice !== undefined) notices.notify(await named(notice, event, store));
    }
    const last = events.value.at(-1)?.seq;
    if (last === undefined) return;
    // Afterwards, so that a crash tells a notice again; its key keeps it one.
    outbox.setPosition(POSITION, last);
    after = last;
  }
}

/** The title of a task stands in its submission, not in its events. */
async function named(notice: Notice, { taskId }: QueueEvent, store: NoticeSources["store"]): Promise<Notice> {
  if (taskId === null) return notice;
  const found = await store.find(taskId);
  const title = found.ok && found.value !== undefined ? titleIn(found.value.body) : "";
  return title === "" ? notice : { ...notice, title: `Dead letter: ${title}` };
}

function titleIn(body: string): string {
  // `as`: a submission was an object when it was taken.
  return wordOf((JSON.parse(body) as JsonObject)["title"]);
}

/** @param nodeName alerts of this node are told when they are raised */
export function noticeOfEvent(event: QueueEvent, nodeName: string): Notice | undefined {
  const told = TOLD[event.kind]?.(event.data, event.taskId ?? "", nodeName);
  return told === undefined ? undefined : { ...told, atMs: event.atMs, key: `event:${event.seq}` };
}

type Told = Omit<Notice, "atMs" | "key">;
type Tell = (data: JsonObject, taskId: string, nodeName: string) => Told | undefined;

const alertOf =
  (change: string): Tell =>
  (data, _taskId, nodeName) =>
    data["node"] === nodeName ? undefined : alertNotice(change, data);

const TOLD: Readonly<Partial<Record<QueueEvent["kind"], Tell>>> = {
  "task.dead": (data, taskId) => ({
    kind: "task.dead",
    severity: "warning",
    title: `Dead letter: ${taskId}`,
    message: `${reasonOf(data)}\nSee: drover task explain ${taskId}`,
    subject: taskId,
  }),
  "goal.changed": (data) => {
    const state = wordOf(data["state"]);
    const isPaused = data["paused"] !== undefined;
    if (!isPaused && state !== "complete" && state !== "failed") return undefined;
    const goal = wordOf(data["goal"]);
    const how = isPaused ? "is paused" : state === "complete" ? "is complete" : "failed";
    return {
      kind: isPaused ? "goal.paused" : state === "complete" ? "goal.complete" : "goal.failed",
      severity: state === "complete" && !isPaused ? "info" : "warning",
      title: `Goal ${goal} ${how}`,
      message: `${wordOf(data["why"])}\nSee: drover goal show ${goal}`.trim(),
      subject: goal,
    };
  },
  "alert.raised": alertOf("raised"),
  "alert.worsened": alertOf("worsened"),
  "alert.resolved": alertOf("resolved"),
  "budget.reached": (data) => ({
    kind: "budget.reached",
    severity: "warning",
    title: "A budget is reached",
    message: wordOf(data["text"]),
    subject: "",
  }),
  "hub.elected": (data) => ({
    kind: "hub.elected",
    severity: "warning",
    title: "Another hub was elected",
    message: `It writes under epoch ${Number(data["epoch"])}. See: drover status`,
    subject: wordOf(data["node"]),
  }),
};

/** An alert of this very node, told when it changes, also when the history cannot be written. */
export function noticeOfAlert({ change, alert }: AlertNews): Notice | undefined {
  if (change === "acknowledged") return undefined;
  const { key, severity, title, message, id, changedAtMs } = alert;
  const told = alertNotice(change, { key, severity, title, message });
  return { ...told, atMs: changedAtMs, key: `alert:${id}:${change}:${changedAtMs}` };
}

function alertNotice(change: string, data: JsonObject): Omit<Notice, "atMs" | "key"> {
  const isOver = change === "resolved";
  return {
    kind: isOver ? "alert.resolved" : "alert.raised",
    severity: isOver ? "info" : data["severity"] === "critical" ? "critical" : "warning",
    title: isOver ? `Over: ${wordOf(data["title"])}` : wordOf(data["title"]),
    message: wordOf(data["message"]),
    subject: wordOf(data["key"]),
  };
}

function lookAtNodes({ nodes, leaseMs, self, clock, notices }: NoticeSources, silent: Set<string>): void {
  const nowMs = clock.nowMs();
  for (const { id, name, state, leaseClass, seenAtMs } of nodes()) {
    // A laptop may sleep; whoever was never heard of has nothing to lose.
    if (id === self || state === "removed" || leaseClass !== "strict" || seenAtMs === 0) continue;
    const isSilent = nowMs - seenAtMs > 2 * leaseMs;
    if (isSilent === silent.has(id)) continue;
    if (isSilent) silent.add(id);
    else silent.delete(id);
    const minutes = Math.round((nowMs - seenAtMs) / 60_000);
    notices.notify({
      kind: isSilent ? "node.offline" : "node.online",
      severity: isSilent ? "warning" : "info",
      title: isSilent ? `Node ${name} is not heard of` : `Node ${name} is back`,
      message: isSilent ? `It was heard last ${minutes} minutes ago; its tasks are given to others.` : "",
      subject: name,
      atMs: nowMs,
      key: isSilent ? `node:${id}:${seenAtMs}` : null,
    });
  }
}

async function lookAtReleases({ releases, notices, clock }: NoticeSources, told: Set<string>): Promise<void> {
  const found = await releases();
  if (!found.ok) return;
  for (const row of historyOf(found.value)) {
    const endedAtMs = Number(row["endedAtMs"]);
    const id = wordOf(row["id"]);
    if (row["result"] !== "rolledBack" || told.has(id) || !(clock.nowMs() - endedAtMs < MAX_AGE_MS)) continue;
    told.add(id);
    notices.notify({
      kind: "update.rolledBack",
      severity: "critical",
      title: `The update to ${wordOf(row["version"])} was rolled back`,
      message: `${wordOf(row["reason"])}\nThis host runs ${wordOf(row["from"])} again. See: drover releases`,
      subject: wordOf(row["version"]),
      atMs: endedAtMs,
      key: `release:${id}`,
    });
  }
}

function historyOf(said: JsonValue): readonly JsonObject[] {
  if (said === null || typeof said !== "object" || Array.isArray(said)) return [];
  // `as`: an object that is no list has fields.
  const history = (said as JsonObject)["history"];
  // `as`: what the watchdog says are rows; a row of another shape has no result.
  return Array.isArray(history) ? (history as readonly JsonObject[]) : [];
}

function reasonOf({ reason }: JsonObject): string {
  if (typeof reason === "string") return reason;
  if (reason === null || typeof reason !== "object" || Array.isArray(reason)) return "It used up its attempts";
  return wordOf((reason as JsonObject)["text"]); // `as`: see above
}

function wordOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
