import { err, ok } from "#base";
import { type Command, command } from "../parsing/command.ts";
import { flag, text, value, whole } from "../parsing/option.ts";

/** The API's own notation for a span, passed on as it is. */
const SPAN = (given: string) =>
  /^\d{1,6}[smhd]$/.test(given) ? ok(given) : err(`must be a number with s, m, h or d, such as 24h, not "${given}"`);

const PLACE = (given: string) =>
  /^\d{1,15}:[0-9a-f]{64}$/.test(given) ? ok(given) : err(`must be SEQ:HASH as drover audit verify prints it`);

const ID = { name: "ID", description: "As drover alert list shows it" } as const;

export const ALERT_COMMANDS: readonly Command[] = [
  command({
    name: "alert list",
    section: "Alerts and decisions",
    summary: "List the alerts that are open, the newest first",
    options: {
      all: flag("Also those that are over"),
      limit: whole("N", "At most N", { least: 1, most: 10_000 }, { shownDefault: "100" }),
    },
    load: async () => (await import("../commands/alerts.ts")).alertList,
  }),
  command({
    name: "alert show",
    section: "Alerts and decisions",
    summary: "Show one alert: what is wrong, since when, and who looks after it",
    arguments: [ID],
    load: async () => (await import("../commands/alerts.ts")).alertShow,
  }),
  command({
    name: "alert ack",
    section: "Alerts and decisions",
    summary: "Acknowledge alerts: they are not told of again until they are worse, or over",
    arguments: [{ ...ID, variadic: true }],
    options: {
      by: text("NAME", "Who looks after it", { shownDefault: "USER" }),
      note: text("TEXT", "What is being done"),
    },
    examples: [{ line: 'drover alert ack 12 --note "the disk is ordered"', does: "Say that somebody looks after it" }],
    load: async () => (await import("../commands/alerts.ts")).alertAck,
  }),
  command({
    name: "alert rules",
    section: "Alerts and decisions",
    summary: "Show what is looked at by itself, from which level on, and what it is now",
    notes: [
      "Other alerts are raised by the mind of the node. Thresholds are changed by alerts.rules of the configuration.",
    ],
    load: async () => (await import("../commands/alerts.ts")).alertRules,
  }),
  command({
    name: "alert resolve",
    section: "Alerts and decisions",
    summary: "End alerts that nothing else will end; what is still wrong is raised again",
    arguments: [{ ...ID, variadic: true }],
    load: async () => (await import("../commands/alerts.ts")).alertResolve,
  }),
  command({
    name: "audit list",
    section: "Alerts and decisions",
    summary: "Show what the node decided and why, the newest first",
    options: {
      actor: text("WHO", "Only what this one decided"),
      action: text("WORD", "Only this action, or those that begin with it: mind finds mind.changed"),
      subject: text("WHAT", "Only what was done to this"),
      since: value("TIME", "Only within this time", SPAN),
      limit: whole("N", "At most N", { least: 1, most: 10_000 }, { shownDefault: "50" }),
    },
    load: async () => (await import("../commands/audit.ts")).auditList,
  }),
  command({
    name: "audit verify",
    section: "Alerts and decisions",
    summary: "Check that the audit log is what was written",
    notes: [
      "Names the first row that is not.",
      "Reads the database of the state folder without changing it, whether the node runs or not; with --url that node checks its own.",
      "Ends with exit code 1 when a row was changed, removed, put in or put elsewhere. A tail that was cut together with the note of its end, and a log that was written anew as a whole, show only against a line that was kept elsewhere: --expect.",
    ],
    options: {
      file: text("FILE", "Instead an export, or another node.db"),
      expect: value("SEQ:HASH", "The line that an earlier check printed", PLACE),
    },
    load: async () => (await import("../commands/audit.ts")).auditVerify,
  }),
  command({
    name: "audit export",
    section: "Alerts and decisions",
    summary: "Print the audit log in its order, a row a line, as JSON",
    examples: [{ line: "drover audit export > audit.ndjson", does: "Keep a copy that can be checked anywhere" }],
    load: async () => (await import("../commands/audit.ts")).auditExport,
  }),
];
