/**
 * The mind of the compiled executable at work: real scanners on a real repository, goals that a scripted model carries
 * out, a forge that takes them. Only its times are shorter than usual; what it did is read over HTTP.
 */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { type BinaryNode, BinaryWorld, startBinaryNode } from "../support/binary-node.ts";
import { type ForgeServer, forgeServer } from "../support/forge-server.ts";
import { bareCopy, commit, filesAt, git, newRepository } from "../support/git-repositories.ts";
import type { RecordedRequest } from "../support/models/recorded-request.ts";
import { reply, type ScriptedReply } from "../support/models/scripted-reply.ts";
import { type ScriptedServer, startScriptedServer } from "../support/models/scripted-server.ts";
import { untilAsked } from "../support/until-asked.ts";

const LIMIT_MS = 120_000;
const DWELL_MS = { resting: 1_000, executing: 1_000, improving: 1_000, contemplating: 1_000, healing: 1_000 };
const TOKEN = "a-token-of-the-forge";

const RULE = "[ $(($1 % 400)) -eq 0 ] || { [ $(($1 % 4)) -eq 0 ] && [ $(($1 % 100)) -ne 0 ]; }";
const FILES = {
  "README.md": "# leap\n\nSays whether a year is a leap year. Its test: sh test/run.sh\n",
  LICENSE: "Public domain.\n",
  "CONTRIBUTING.md": "Write a test.\n",
  "lib/leap.sh": `# is_leap YEAR: succeeds when it is a leap year.\nis_leap() {\n  ${RULE}\n}\n`,
  "test/run.sh": ". ./lib/leap.sh\nis_leap 2024 && ! is_leap 1900\n",
};
/** What scanners call a note of a defect. */
const NOTE = `# ${["FIX", "ME"].join("")}: years before 1582 are not of this calendar`;
const NOTED = { "lib/leap.sh": `${NOTE}\n${FILES["lib/leap.sh"]}` };
const MENDED = "# Of years from 1582 on.";

const historySchema = z.object({
  items: z.array(z.object({ kind: z.string(), by: z.string(), detail: z.record(z.string(), z.unknown()) })),
});
const stateSchema = z.object({
  state: z.string(),
  pause: z.object({ by: z.string() }).nullable(),
  work: z.object({ readyGoals: z.int() }),
});
const goalsSchema = z.object({ items: z.array(z.object({ id: z.string(), state: z.string(), channel: z.string() })) });

type Change = { readonly way: string; readonly cause: string; readonly reason: string; readonly by: string };

let world: BinaryWorld;
let server: ScriptedServer;
let forge: ForgeServer;
let origin: string;
let node: BinaryNode;

beforeEach(async () => {
  world = new BinaryWorld();
  // The git of commands, which run as nobody, must get to the repository.
  chmodSync(world.path, 0o755);
  origin = newRepository(join(world.path, "origin"), FILES);
  git(origin, "remote", "add", "hub", bareCopy(origin, join(world.path, "leap.git")));
  server = await startScriptedServer({ models: [{ name: "a", capabilities: ["completion", "tools"] }] });
  server.otherwise((request) => answerTo(request));
  const tokenFile = join(world.path, "token");
  writeFileSync(tokenFile, TOKEN, { mode: 0o600 });
  forge = forgeServer("gitea", join(world.path, "leap.git"), TOKEN);
  const leap = {
    name: "leap",
    url: `file://${join(world.path, "leap.git")}`,
    forge: { kind: "gitea", api_url: forge.url, repository: "ada/site", token_file: tokenFile },
    // A model of which nothing is known yet weighs more than the change.
    autonomy: { at_most: "merge", merge_below: 200 },
    checks: { test: ["sh", "test/run.sh"], after_merge: false },
  };
  node = await startBinaryNode(world, {
    env: {
      DROVER_ENDPOINTS: JSON.stringify([{ name: "one", url: server.url }]),
      DROVER_HW_DISCOVER: "false",
      DROVER_REPOS: JSON.stringify([leap]),
      DROVER_FSM_DWELL_MS: JSON.stringify(DWELL_MS),
      DROVER_FSM_PACE: JSON.stringify({ scan_every_ms: 1_000, propose_every_ms: 1_000 }),
      DROVER_FSM_ENTRIES_PER_PERIOD: JSON.stringify({ improving: 100, contemplating: 1 }),
      DROVER_IMPROVING_RUN_COMMANDS: "false",
      DROVER_IMPROVING_MODEL_LOOKS_PER_DAY: "0",
      DROVER_CONTEMPLATING_MODEL_LOOKS_PER_DAY: "0",
    },
  });
});

afterEach(async () => {
  world.remove(); // ends the node, too
  await server.stop();
  await forge.stop();
});

/** The plan of the goal, then the one edit that it asks for; found by the words of the prompt. */
function answerTo({ body }: RecordedRequest): ScriptedReply {
  // `as`: what /api/chat takes.
  const { messages = [] } = body as { readonly messages?: readonly { role: string; content?: string }[] };
  const said = messages.map(({ content = "" }) => content).join("\n");
  if (said.includes("Divide a goal into tasks")) {
    const task = { key: "mend", title: "Say which years", prompt: "Replace the note.", files: ["lib/leap.sh"] };
    return reply().text(JSON.stringify({ tasks: [task] }));
  }
  const turn = messages.filter(({ role }) => role === "assistant").length;
  const turns = [
    reply().toolCall("read_file", { path: "lib/leap.sh" }),
    reply().toolCall("edit_file", { path: "lib/leap.sh", old_text: NOTE, new_text: MENDED }),
  ];
  return turns[turn] ?? reply().text("Done.");
}

/** The changes of state, the oldest first. */
async function changes(): Promise<readonly Change[]> {
  const { items } = historySchema.parse((await node.request("GET", "/api/hub/history?limit=500")).body);
  return items
    .toReversed()
    .flatMap(({ kind, by, detail: { from, to, cause, reason } }) =>
      kind === "changed"
        ? [{ way: `${String(from)} → ${String(to)}`, cause: String(cause), reason: String(reason), by }]
        : [],
    );
}

/** @returns the changes up to the first one of this way behind those that were there before, once it is made */
function untilWay(way: string, behind = 0): Promise<readonly Change[]> {
  return untilAsked(`the mind goes ${way}`, async () => {
    const all = await changes();
    const at = all.findIndex((change, index) => index >= behind && change.way === way);
    return at === -1 ? undefined : all.slice(0, at + 1);
  });
}

const state = async () => stateSchema.parse((await node.request("GET", "/api/hub/state")).body);
const goals = async () => goalsSchema.parse((await node.request("GET", "/api/goals")).body).items;

describe("the mind of a node", { timeout: LIMIT_MS }, () => {
  it("improves, contemplates and rests; a finding becomes a goal, which is carried out, verified and delivered", async () => {
    const first = await untilWay("contemplating → resting");
    commit(origin, NOTED);
    git(origin, "push", "--quiet", "hub", "main");
    const all = await untilWay("executing → resting", first.length);

    expect(first.map(({ way, cause, by }) => [way, cause, by])).toEqual([
      ["resting → improving", "scanDue", "mind"],
      ["improving → contemplating", "proposalDue", "mind"],
      ["contemplating → resting", "activityDone", "mind"],
    ]);
    expect(first[0]?.reason).toBe("the last scan is not known");
    const [began, ended] = all.slice(-2);
    expect([began?.way, began?.cause, began?.reason]).toEqual([
      expect.stringMatching(/^(?:improving|resting) → executing$/),
      "workReady",
      expect.stringContaining("1 goals"),
    ]);
    expect([ended?.cause, ended?.reason]).toEqual(["workDone", "nothing is ready and nothing runs"]);

    const [goal, ...others] = await goals();
    expect(others).toEqual([]);
    const whole = (await node.request("GET", `/api/goals/${goal?.id}`)).body;
    expect(whole).toMatchObject({ state: "complete", channel: "improver", planBy: "model", verdict: { by: "checks" } });
    const { deliveries } = z
      .object({ deliveries: z.array(z.object({ goal: z.string(), outcome: z.string(), detail: z.string() })) })
      .parse((await node.request("GET", "/api/repos/leap/deliveries")).body);
    expect(deliveries).toMatchObject([{ goal: goal?.id, outcome: "merged" }]);
    expect(forge.pulls).toMatchObject([{ head: `drover/${goal?.id}`, base: "main", isOpen: false }]);
    expect(filesAt(join(world.path, "leap.git"), "main")["lib/leap.sh"]).toBe(`${MENDED}\n${FILES["lib/leap.sh"]}`);
  });

  it("is forced by a person, rests at once when it is paused, whoever asks for work, and goes on when it is resumed", async () => {
    const forced = await node.request("POST", "/api/hub/force", {
      to: "contemplating",
      by: "ada",
      reason: "to see it",
    });
    const paused = await node.request("POST", "/api/hub/pause", { by: "ada", reason: "new disks" });
    const before = await changes();
    const again = await node.request("POST", "/api/hub/force", { to: "improving", by: "ada", reason: "now" });
    await node.request("POST", "/api/goals", { title: "Wait", workspace: world.workspace });
    const waiting = await untilAsked("a tick has told it of the goal", async () => {
      const seen = await state();
      return seen.work.readyGoals === 1 && seen;
    });
    const stayed = (await changes()).length;
    await node.request("POST", "/api/hub/resume", { by: "ada" });
    const gone = await untilWay("resting → executing", before.length);

    expect(forced.body).toMatchObject({ state: "contemplating" });
    expect(paused.body).toMatchObject({ state: "resting", pause: { by: "ada" } });
    expect(before.at(-2)?.way).toMatch(/ → contemplating$/);
    expect(before.slice(-2)).toMatchObject([
      { cause: "forced", reason: "to see it", by: "ada" },
      { way: "contemplating → resting", cause: "paused", reason: "new disks", by: "ada" },
    ]);
    expect(again).toMatchObject({ status: 409, body: { detail: "the mind is paused" } });
    expect([waiting.state, waiting.pause, stayed]).toEqual(["resting", { by: "ada" }, before.length]);
    expect(gone.at(-1)).toMatchObject({ cause: "workReady", by: "mind" });
  });
});
