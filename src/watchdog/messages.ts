/** What node and watchdog say to each other over watchdog.sock: one JSON object a line, in either direction. */
import type { Failure, JsonValue } from "#base";
import type { Pulse } from "./fault.ts";
import { type KeptProcess, type KeptReport, parseKept, parseReports } from "./kept-process.ts";

/** A watchdog answers a node of another number with nothing but a refusal. Raised when a message changes its meaning. */
export const PROTOCOL = 1;

export type ShutdownMode = "now" | "drain";

/** What a person asks of the watchdog, through the node's API. */
export const WATCHDOG_ACTIONS = ["status", "restart", "update", "rollback", "releases", "reset", "check"] as const;
export type WatchdogAction = (typeof WATCHDOG_ACTIONS)[number];

export type NodeMessage =
  | {
      readonly kind: "hello";
      readonly protocol: number;
      readonly pid: number;
      readonly generation: number;
      readonly version: string;
    }
  | { readonly kind: "ready"; readonly url: string }
  | {
      readonly kind: "heartbeat";
      readonly rssBytes: number;
      /** Since the start of the generation. */
      readonly requests: number;
      readonly serverErrors: number;
      readonly pulses: readonly Pulse[];
    }
  /** A person asked the node to end for good: its end is no fault, and it is not started again. */
  | { readonly kind: "stopping"; readonly mode: ShutdownMode }
  /** Exactly these are to be kept alive beside the node. Said also before `hello`: a node may need them to start. */
  | { readonly kind: "keep"; readonly processes: readonly KeptProcess[] }
  | { readonly kind: "request"; readonly id: number; readonly action: WatchdogAction; readonly body: JsonValue };

export type WatchdogMessage =
  /** End for the next generation: stop accepting, answer what was asked, leave the workers, close the databases. */
  | { readonly kind: "drain" }
  | { readonly kind: "stop"; readonly mode: ShutdownMode }
  /** A swap begins or has ended; clients are told. */
  | { readonly kind: "maintenance"; readonly on: boolean; readonly version: string }
  /** The watchdog was started again and lacks the listening socket: send it to `path`. */
  | { readonly kind: "socketWanted"; readonly path: string }
  /** How what is kept fares; after each change, to whoever asked for it. */
  | { readonly kind: "kept"; readonly processes: readonly KeptReport[] }
  | { readonly kind: "answer"; readonly id: number; readonly value: JsonValue }
  | { readonly kind: "answer"; readonly id: number; readonly failure: Failure };

/** The longest line of either side: a heartbeat is some hundred bytes, a list of releases some ten thousand. */
export const MAX_LINE_BYTES = 1024 * 1024;
const MAX_PULSES = 100;

type Fields = Readonly<Record<string, unknown>>;

/** @returns the message, or undefined when the line is none that this version knows. */
export function parseNodeMessage(line: string): NodeMessage | undefined {
  const fields = fieldsOf(line);
  switch (fields?.["kind"]) {
    case "hello": {
      const { protocol, pid, generation, version } = fields;
      if (!isCount(protocol) || !isCount(pid) || !isCount(generation) || typeof version !== "string") return undefined;
      return { kind: "hello", protocol, pid, generation, version };
    }
    case "ready":
      return typeof fields["url"] === "string" ? { kind: "ready", url: fields["url"] } : undefined;
    case "heartbeat": {
      const { rssBytes, requests, serverErrors } = fields;
      const pulses = pulsesOf(fields["pulses"]);
      if (!isCount(rssBytes) || !isCount(requests) || !isCount(serverErrors) || pulses === undefined) return undefined;
      return { kind: "heartbeat", rssBytes, requests, serverErrors, pulses };
    }
    case "stopping":
      return isMode(fields["mode"]) ? { kind: "stopping", mode: fields["mode"] } : undefined;
    case "keep": {
      const processes = parseKept(fields["processes"]);
      return processes === undefined ? undefined : { kind: "keep", processes };
    }
    case "request": {
      const { id, action, body } = fields;
      const known = WATCHDOG_ACTIONS.find((name) => name === action);
      // `as`: it was made by JSON.parse, so whatever stands there is a JSON value.
      return isCount(id) && known !== undefined
        ? { kind: "request", id, action: known, body: (body ?? null) as JsonValue }
        : undefined;
    }
    default:
      return undefined;
  }
}

/** @returns the message, or undefined when the line is none that this version knows. */
export function parseWatchdogMessage(line: string): WatchdogMessage | undefined {
  const fields = fieldsOf(line);
  switch (fields?.["kind"]) {
    case "drain":
      return { kind: "drain" };
    case "stop":
      return isMode(fields["mode"]) ? { kind: "stop", mode: fields["mode"] } : undefined;
    case "maintenance": {
      const { on, version } = fields;
      return typeof on === "boolean" && typeof version === "string" ? { kind: "maintenance", on, version } : undefined;
    }
    case "socketWanted":
      return typeof fields["path"] === "string" ? { kind: "socketWanted", path: fields["path"] } : undefined;
    case "kept": {
      const processes = parseReports(fields["processes"]);
      return processes === undefined ? undefined : { kind: "kept", processes };
    }
    case "answer": {
      const { id, failure } = fields;
      if (!isCount(id)) return undefined;
      // `as`: the watchdog is the same program, or one release away; the api reads code and text and nothing else.
      if (typeof failure === "object" && failure !== null) return { kind: "answer", id, failure: failure as Failure };
      // `as`: made by JSON.parse.
      return { kind: "answer", id, value: (fields["value"] ?? null) as JsonValue };
    }
    default:
      return undefined;
  }
}

function fieldsOf(line: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(line);
    // `as`: any object may be read by name.
    return typeof value === "object" && value !== null ? (value as Fields) : undefined;
  } catch {
    return undefined;
  }
}

function pulsesOf(value: unknown): readonly Pulse[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_PULSES) return undefined;
  const pulses = value.map((item: unknown) => {
    if (typeof item !== "object" || item === null) return undefined;
    const { name, ageMs, limitMs } = item as Fields; // `as`: any object may be read by name
    return typeof name === "string" && isCount(ageMs) && isCount(limitMs) ? { name, ageMs, limitMs } : undefined;
  });
  return pulses.every((pulse) => pulse !== undefined) ? pulses : undefined;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isMode(value: unknown): value is ShutdownMode {
  return value === "now" || value === "drain";
}
