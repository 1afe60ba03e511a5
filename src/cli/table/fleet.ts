import { parseDurationMs } from "../output/quantities.ts";
import { type Command, command } from "../parsing/command.ts";
import { choice, flag, text, value, whole } from "../parsing/option.ts";
import { readTtl } from "../tasks/ttl-text.ts";

const NODE = { name: "NODE", description: "Id or name" } as const;
const MAX_USES = 1_000;

export const FLEET_COMMANDS: readonly Command[] = [
  command({
    name: "token create",
    section: "Fleet",
    summary: "Make a token with which another node joins this one",
    notes: [
      "The first token makes this node the hub of a fleet. The line that is printed is shown once; its secret never travels.",
      "A reader follows what the fleet shares; a member also works; an operator also manages the fleet.",
    ],
    options: {
      role: choice(["reader", "member", "operator"], "What the node may do", { shownDefault: "member" }),
      uses: whole("N", "Nodes that may join with it", { least: 1, most: MAX_USES }, { shownDefault: "1" }),
      ttl: value("TIME", "How long it may be used, such as 30m, 12h or 7d", readTtl, { shownDefault: "1h" }),
    },
    examples: [{ line: "drover token create --uses 8 --ttl 12h", does: "Let eight nodes join today" }],
    load: async () => (await import("../commands/tokens.ts")).tokenCreate,
  }),
  command({
    name: "token list",
    section: "Fleet",
    summary: "List the tokens that were made and not revoked",
    load: async () => (await import("../commands/tokens.ts")).tokenList,
  }),
  command({
    name: "token revoke",
    section: "Fleet",
    summary: "Revoke tokens; nodes that joined with them stay",
    arguments: [{ name: "ID", description: "As drover token list shows it", variadic: true }],
    load: async () => (await import("../commands/tokens.ts")).tokenRevoke,
  }),
  command({
    name: "join",
    section: "Fleet",
    summary: "Let the node of this host join a fleet",
    notes: [
      "It takes effect with the node's next start, which its watchdog is asked for.",
      "A strict lease ends a minute after the hub was heard of last, a held one after hours: for nodes that are often away.",
    ],
    arguments: [{ name: "TOKEN@URL", description: "The line that drover token create printed on the hub" }],
    options: {
      name: text("NAME", "Name of this node in the fleet", { shownDefault: "node.name, or the host's" }),
      // `--url` names the node that is asked, in every command.
      ownUrl: text("URL", "Where the other nodes reach this one; without it, it can only call"),
      lease: choice(["strict", "hold"], "How long it may work without its hub", { shownDefault: "strict" }),
      setAside: flag("Also when tasks of this node have not ended: they are kept in a file beside the fleet's"),
    },
    examples: [{ line: "drover join drv_…@http://hub.example:7433 --lease hold", does: "Join with a laptop" }],
    load: async () => (await import("../commands/membership.ts")).join,
  }),
  command({
    name: "leave",
    section: "Fleet",
    summary: "Let the node of this host leave its fleet",
    options: { force: flag("Also when the hub cannot be told; remove the node there later") },
    load: async () => (await import("../commands/membership.ts")).leave,
  }),
  command({
    name: "promote",
    section: "Fleet",
    summary: "Let the node that answers take the place of its fleet's hub, which is lost",
    notes: [
      "What the old hub had answered and no other node had received yet is not in the new one's database. Promote the node that was in touch with it last.",
      "The other nodes follow by themselves. The old hub becomes a member when it returns, and sends what it alone had: drover quarantine list.",
    ],
    options: {
      yes: flag("The old hub is off, and stays off until this is over"),
      force: flag("Also when the old hub still answers this node"),
    },
    examples: [{ line: "drover promote --yes", does: "Take over after the hub was stopped" }],
    load: async () => (await import("../commands/membership.ts")).promote,
  }),
  command({
    name: "quarantine list",
    section: "Fleet",
    summary: "List what the node that answers had as a hub before another took its place",
    notes: [
      "What it alone had accepted is sent to the new hub by itself. What that did not take has to be looked at.",
      "Three settled databases of at most 4 GiB together are kept; older ones make room by themselves.",
    ],
    load: async () => (await import("../commands/quarantine.ts")).quarantineList,
  }),
  command({
    name: "quarantine show",
    section: "Fleet",
    summary: "Show what became of each thing that it alone had accepted",
    arguments: [{ name: "NAME", description: "As drover quarantine list shows it" }],
    options: { all: flag("Also what the new hub accepted") },
    load: async () => (await import("../commands/quarantine.ts")).quarantineShow,
  }),
  command({
    name: "quarantine drop",
    section: "Fleet",
    summary: "Delete quarantined databases for good",
    arguments: [{ name: "NAME", description: "As drover quarantine list shows it", variadic: true }],
    options: { force: flag("Also when something in them is still to be sent") },
    load: async () => (await import("../commands/quarantine.ts")).quarantineDrop,
  }),
  command({
    name: "rollout show",
    section: "Fleet",
    summary: "Show how the update of the fleet goes; it is begun with drover update --fleet",
    load: async () => (await import("../commands/rollout.ts")).rolloutShow,
  }),
  command({
    name: "rollout pause",
    section: "Fleet",
    summary: "Ask no further node to take the release; those that were asked go on",
    load: async () => (await import("../commands/rollout.ts")).rolloutPause,
  }),
  command({
    name: "rollout resume",
    section: "Fleet",
    summary: "Go on after a pause or a fault; the node that failed is asked once more",
    load: async () => (await import("../commands/rollout.ts")).rolloutResume,
  }),
  command({
    name: "rollout abort",
    section: "Fleet",
    summary: "End the update of the fleet; nodes that run the release keep it",
    load: async () => (await import("../commands/rollout.ts")).rolloutAbort,
  }),
  command({
    name: "node list",
    section: "Fleet",
    summary: "List the nodes of the fleet",
    load: async () => (await import("../commands/node.ts")).nodeList,
  }),
  command({
    name: "node cordon",
    section: "Fleet",
    summary: "Give nodes nothing new; what they hold they may end",
    arguments: [{ ...NODE, variadic: true }],
    load: async () => (await import("../commands/membership.ts")).nodeCordon,
  }),
  command({
    name: "node uncordon",
    section: "Fleet",
    summary: "Give nodes work again",
    arguments: [{ ...NODE, variadic: true }],
    load: async () => (await import("../commands/membership.ts")).nodeUncordon,
  }),
  command({
    name: "node drain",
    section: "Fleet",
    summary: "Give nodes nothing new, then wait until nothing runs there",
    arguments: [{ ...NODE, variadic: true }],
    options: { timeout: value("TIME", "Give up waiting after this time, with exit code 5", parseDurationMs) },
    load: async () => (await import("../commands/membership.ts")).nodeDrain,
  }),
  command({
    name: "node remove",
    section: "Fleet",
    summary: "Remove nodes from the fleet: their keys open nothing any more",
    arguments: [{ ...NODE, variadic: true }],
    load: async () => (await import("../commands/membership.ts")).nodeRemove,
  }),
  command({
    name: "node rotate-key",
    section: "Fleet",
    summary: "Give the node that answers another key, signed by its present one",
    notes: ["The other nodes take it by themselves. Do it again if it was interrupted: it goes on where it was."],
    load: async () => (await import("../commands/membership.ts")).nodeRotateKey,
  }),
];
