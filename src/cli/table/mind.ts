import { err, ok, type Result } from "#base";
import { parseDurationMs } from "../output/quantities.ts";
import { type Command, command } from "../parsing/command.ts";
import { text, value, whole } from "../parsing/option.ts";

/** The API takes no longer one; a pause without an end has none. */
const MAX_PAUSE_MS = 7 * 24 * 3_600_000;

function pauseMs(given: string): Result<number, string> {
  const ms = parseDurationMs(given);
  if (!ms.ok || (ms.value >= 1 && ms.value <= MAX_PAUSE_MS)) return ms;
  return err(`must be a time up to 7d, not "${given}"`);
}

/** A name that is kept beside what was asked for. */
function name(given: string): Result<string, string> {
  return given.length >= 1 && given.length <= 100 ? ok(given) : err("must be a name of at most 100 characters");
}

const by = value("NAME", "Who asks, as the journal keeps it", name, { shownDefault: "operator" });
const STATES = ["resting", "executing", "improving", "contemplating", "healing"] as const;

export const MIND_COMMANDS: readonly Command[] = [
  command({
    name: "fsm state",
    section: "Mind",
    summary: "Show what the mind of the node does, why, and what it was told last",
    load: async () => (await import("../commands/mind.ts")).fsmState,
  }),
  command({
    name: "fsm history",
    section: "Mind",
    summary: "Show what the mind decided, the newest first",
    options: { limit: whole("N", "The latest N", { least: 1, most: 10_000 }, { shownDefault: "20" }) },
    load: async () => (await import("../commands/mind.ts")).fsmHistory,
  }),
  command({
    name: "fsm pause",
    section: "Mind",
    summary: "Let the mind rest at once; attempts that run go on",
    options: {
      for: value("TIME", "It resumes by itself then; without it, when it is resumed", pauseMs),
      reason: text("TEXT", "Kept in the journal"),
      by,
    },
    examples: [{ line: 'drover fsm pause --for 2h --reason "new disks"', does: "Heal nothing while you work on it" }],
    load: async () => (await import("../commands/mind.ts")).fsmPause,
  }),
  command({
    name: "fsm resume",
    section: "Mind",
    summary: "End a pause of the mind",
    options: { by },
    load: async () => (await import("../commands/mind.ts")).fsmResume,
  }),
  command({
    name: "fsm force",
    section: "Mind",
    summary: "Bring the mind into a state, whatever its guards say",
    notes: ["The longest time of the state holds. Not while it is paused or on hold."],
    arguments: [{ name: "STATE", description: STATES.join(", "), choices: STATES }],
    options: { reason: text("TEXT", "Kept in the journal"), by },
    load: async () => (await import("../commands/mind.ts")).fsmForce,
  }),
  command({
    name: "fsm release",
    section: "Mind",
    summary: "End a safe hold of the mind, once you have seen to what led to it",
    options: { by },
    load: async () => (await import("../commands/mind.ts")).fsmRelease,
  }),
  command({
    name: "fsm rules",
    section: "Mind",
    summary: "Show by which rules the mind decides: times, thresholds, remediations",
    load: async () => (await import("../commands/mind.ts")).fsmRules,
  }),
];
