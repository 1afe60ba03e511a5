import { err, ok, type Result } from "#base";
import { parseDurationMs } from "../output/quantities.ts";
import { type Command, command } from "../parsing/command.ts";
import { choice, flag, text, value, whole } from "../parsing/option.ts";
import { readTtl } from "../tasks/ttl-text.ts";
import { EXECUTOR_WORDS } from "./words.ts";

/** A frame takes seven reads of the node, which allows a client a thousand a second; a longer one is no live view. */
const INTERVAL_MS = { least: 200, most: 3_600_000 };

function intervalMs(given: string): Result<number, string> {
  const ms = parseDurationMs(given);
  if (!ms.ok || (ms.value >= INTERVAL_MS.least && ms.value <= INTERVAL_MS.most)) return ms.ok ? ok(ms.value) : ms;
  return err(`must be from 200ms to 1h, not "${given}"`);
}

export const NODE_COMMANDS: readonly Command[] = [
  command({
    name: "up",
    section: "Node",
    summary: "Start a node with its watchdog and print its URL when it is ready",
    notes: ["Stays in the foreground until it is stopped, unless --detach is given."],
    options: { detach: flag("Return once the node is ready and leave it running") },
    examples: [
      { line: "drover up --detach", does: "Start a node that goes on after you log out" },
      { line: "drover up --state ./state", does: "Start a second node with a state of its own" },
    ],
    load: async () => (await import("../commands/local.ts")).up,
  }),
  command({
    name: "down",
    section: "Node",
    summary: "Let running attempts end, then stop the node",
    options: {
      force: flag("Do not wait: end running attempts; their tasks are offered again at the next start, uncounted"),
    },
    examples: [{ line: "drover down", does: "Stop without interrupting work" }],
    load: async () => (await import("../commands/node.ts")).down,
  }),
  command({
    name: "status",
    section: "Node",
    summary: "Show the node, its queue, what runs and what failed, on one screen",
    notes: ["Ends with exit code 4 when the node answers but is not ready, and in safe mode, whose cause it shows."],
    load: async () => (await import("../commands/status.ts")).status,
  }),
  command({
    name: "doctor",
    section: "Node",
    summary: "Look for causes of trouble on this host and in the node, and say what to do",
    notes: [
      "Works without a node too. Changes nothing.",
      "Each finding is ok, a warning or a failure, with its cause and what to do.",
      "Ends with exit code 0 when nothing fails, else with 4, which every command uses for what is unhealthy.",
    ],
    load: async () => (await import("../commands/doctor.ts")).doctor,
  }),
  command({
    name: "top",
    section: "Node",
    summary: "Watch load, queue, running attempts with their step, endpoints and alerts",
    notes: [
      "Draws the screen anew until Ctrl-C, and goes on through restarts of the node.",
      "Without a terminal it prints one frame, with --count more; with --json one snapshot a line, until it is stopped.",
    ],
    options: {
      interval: value("TIME", "Between two frames", intervalMs, { short: "i", shownDefault: "2s" }),
      count: whole("N", "End after this many frames", { least: 1, most: 1_000_000 }, { short: "n" }),
    },
    examples: [
      { line: "drover top -i 500ms", does: "Twice a second" },
      { line: "drover top --json --count 1", does: "All of it once, for a script" },
    ],
    load: async () => (await import("../commands/top.ts")).top,
  }),
  command({
    name: "node",
    section: "Node",
    summary: "Run a node in the foreground, without a watchdog",
    notes: [
      "Nothing starts it again, and it cannot be updated: for hosts where another supervisor does that work.",
      "The watchdog starts its nodes by it.",
    ],
    load: async () => (await import("../commands/local.ts")).node,
  }),
  command({
    name: "node restart",
    section: "Node",
    summary: "Replace the node by a new process; attempts go on and connections wait",
    notes: [
      "In safe mode: try again to start the node.",
      "Another node of the fleet is restarted when its hub hears of it next.",
    ],
    arguments: [{ name: "NODE", description: "Id or name; default: the node that answers", optional: true }],
    load: async () => (await import("../commands/releases.ts")).nodeRestart,
  }),
  command({
    name: "breakers",
    section: "Node",
    summary: "List what holds something back so that the node goes on, and why",
    load: async () => (await import("../commands/breakers.ts")).breakers,
  }),
  command({
    name: "breakers reset",
    section: "Node",
    summary: "Let go what a breaker holds back",
    arguments: [{ name: "NAME", description: "As drover breakers lists it" }],
    examples: [{ line: "drover breakers reset queue", does: "Take tasks of the lanes low and background again" }],
    load: async () => (await import("../commands/breakers.ts")).breakersReset,
  }),
  command({
    name: "releases",
    section: "Releases",
    summary: "List the releases on this host, and what became of each try",
    load: async () => (await import("../commands/releases.ts")).releases,
  }),
  command({
    name: "update",
    section: "Releases",
    summary: "Install a release, and go back by itself if it fails",
    notes: [
      "It is checked, tried on a copy of the state, swapped in without refusing a request, and watched.",
      "--from-source needs a key that the operator allowed: drover release-key.",
    ],
    arguments: [
      {
        name: "FROM",
        description: "Folder of the release, its manifest.json, or a manifest's URL; default: update.manifest_url",
        optional: true,
      },
    ],
    options: {
      allowOlder: flag("Also an older release than the current one, not below the floor"),
      again: flag("Do not wait for the back-off of a version that failed here"),
      noWait: flag("Return once it has begun"),
      fromSource: text("DIR", "Build, test and sign drover's own source in DIR first, on the node's host"),
      patch: text("FILE", "With --from-source: apply this patch to a copy of its committed state"),
      checkOnly: flag("With --from-source: build and test, and install nothing"),
      check: flag("Say whether there is a newer release, and install nothing"),
      fleet: flag("On the hub: update every node, one first, then in waves, the hub last; stop at the first fault"),
      wave: whole(
        "N",
        "With --fleet: nodes at once, after the first one",
        { least: 1, most: 1_000 },
        { shownDefault: "1" },
      ),
      watch: value("TIME", "With --fleet: how long a node is watched before the next", readTtl, { shownDefault: "5m" }),
    },
    examples: [
      { line: "drover update --fleet ./release --wave 4", does: "Update the whole fleet" },
      { line: "drover update --check", does: "Look at update.manifest_url" },
      { line: "drover update --from-source ./drover --patch fix.diff", does: "Install this node's own change" },
      { line: "drover update ./release --url http://gpu1:7433", does: "Send a folder of this host to another node" },
    ],
    load: async () => (await import("../commands/releases.ts")).update,
  }),
  command({
    name: "rollback",
    section: "Releases",
    summary: "Go back to the release before the current one",
    options: { noWait: flag("Return once it has begun") },
    load: async () => (await import("../commands/releases.ts")).rollback,
  }),
  command({
    name: "release-key",
    section: "Releases",
    summary: "Make the key that lets this node sign releases which it built from source",
    notes: [
      "Allows nothing by itself: it prints what to put into the configuration, and what that permits.",
      "The key is for its owner alone (0600), and is never overwritten.",
    ],
    examples: [{ line: "drover release-key", does: "Before the first drover update --from-source" }],
    load: async () => (await import("../commands/local.ts")).releaseKey,
  }),
  command({
    name: "run",
    section: "Tasks",
    summary: "Run tasks from files in one process on a private store",
    notes: [
      "Needs no node: for CI and scripts. Ends with exit code 0 when every task is done and verified, else 1.",
      "A file holds one task or a list of them, as TOML, YAML or JSON by its ending.",
    ],
    arguments: [{ name: "FILE", description: "Files with tasks", variadic: true }],
    options: {
      executor: choice(EXECUTOR_WORDS, "Carry out tasks that name no executor with this one"),
      keep: flag("Keep the private store and print where it is"),
    },
    examples: [{ line: "drover run tasks.yaml", does: "Run the tasks of a file, in the order of their dependencies" }],
    load: async () => (await import("../commands/local.ts")).run,
  }),
];
