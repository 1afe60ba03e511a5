import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openConnection } from "../../src/store/connection.ts";
import { LEASES } from "../../src/store/lease-text.ts";
import { readMeta } from "../../src/store/meta.ts";
import { command } from "../support/binary-command.ts";
import { type FleetMember, joinAll, roleOf, standing, startMember } from "../support/binary-fleet.ts";
import { BINARY, type Environment, nodePidOf, startBinaryNode } from "../support/binary-node.ts";
import { bareCopy, filesAt, git, newRepository } from "../support/git-repositories.ts";
import { untilAsked } from "../support/until-asked.ts";

let hub: FleetMember;
let member: FleetMember;

const LABELS = (name: string): Readonly<Record<string, string>> => ({
  DROVER_NODE_LABELS: JSON.stringify({ at: name }),
});

/** Neither is given what is meant for the other. */
async function startBoth(hubs: Environment = {}, members: Environment = {}): Promise<void> {
  [hub, member] = await Promise.all([
    startMember("hub", { ...LABELS("hub"), ...hubs }),
    startMember("member", { ...LABELS("member"), ...members }),
  ]);
}

async function startFleet(env: Environment = {}): Promise<void> {
  await startBoth(env, env);
  await joinAll(hub, [member]);
}

/** The member, after it was killed. */
async function startAgain(): Promise<void> {
  const env = { DROVER_HW_DISCOVER: "false", DROVER_NODE_NAME: "member", ...LABELS("member") };
  member.node = await startBinaryNode(member.world, { watched: true, env });
}

async function endFleet(): Promise<void> {
  for (const { node, world } of [member, hub]) {
    await node.kill();
    world.remove();
  }
}

/** What a member's process would find of its leases. */
function notedLeases(state: string): string {
  const connection = openConnection(join(state, "node.db"), { queryOnly: true });
  try {
    return readMeta(connection, LEASES) ?? "";
  } finally {
    connection.close();
  }
}

type Task = {
  readonly id: string;
  readonly state: string;
  readonly node: string | null;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly attempts: readonly { readonly node: string; readonly outcome: string }[];
};

async function submit(at: FleetMember, where: "hub" | "member", script: string, more: object = {}): Promise<string> {
  const body = {
    title: script,
    verify: [],
    command: ["sh", "-c", script],
    requires: { labels: { at: where } },
    ...more,
  };
  const answer = await at.node.request("POST", "/api/tasks", body);
  expect(answer).toMatchObject({ status: 201 });
  return (answer.body as Task).id; // `as`: by its schema
}

async function taskOn({ node }: FleetMember, id: string): Promise<Task | undefined> {
  const { status, body } = await node.request("GET", `/api/tasks/${id}`);
  return status === 200 ? (body as Task) : undefined; // `as`: by its schema
}

function untilState(at: FleetMember, id: string, state: string): Promise<Task> {
  return untilAsked(`on ${at.name} ${id} is ${state}`, async () => {
    const task = await taskOn(at, id).catch(() => undefined);
    return task?.state === state && task;
  });
}

/** `drover task logs ID --follow`, as it prints. */
function followLog(world: FleetMember["world"], id: string) {
  let stdout = "";
  const child = spawn(BINARY, ["task", "logs", id, "--follow"], {
    env: { ...world.environment, DROVER_STATE: world.state },
    stdio: ["ignore", "pipe", "ignore"],
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  return {
    untilPrinted: (text: string) => untilAsked(`${text} is printed`, async () => stdout.includes(text)),
    ended: once(child, "close").then(() => stdout),
  };
}

/** Whether a blob has come to a hub whole. */
function hasBlob({ world }: FleetMember): boolean {
  const shelves = readdirSync(join(world.state, "blobs")).filter((name) => name !== "begun");
  return shelves.some((shelf) => readdirSync(join(world.state, "blobs", shelf)).length > 0);
}

async function idOf({ node }: FleetMember): Promise<string> {
  const { body } = await node.request("GET", "/api/node");
  return (body as { readonly id: string }).id; // `as`: by its schema
}

function following({ node }: FleetMember): Promise<Readonly<Record<string, unknown>>> {
  return standing(node).then((said) => (said["following"] ?? {}) as Record<string, unknown>); // `as`: by its schema
}

/** One fleet for all of them: each leaves it as it was, but for the last, which parts it. */
describe("two nodes of one fleet, from the executable", () => {
  beforeAll(() => startFleet());
  afterAll(endFleet);

  it("follow what a member runs from the hub and from another member, and read it when that one is gone", async () => {
    const other = await startMember("other");
    try {
      await joinAll(hub, [other]);
      const gate = join(member.world.workspace, "gate");
      const script = "echo first; while [ ! -e gate ]; do sleep 0.05; done; echo second";
      const id = await submit(hub, "member", script, { workspace: member.world.workspace });
      for (const at of [hub, other]) await untilState(at, id, "running");

      const followed = [hub, other].map(({ world }) => followLog(world, id));
      for (const { untilPrinted } of followed) await untilPrinted("first\n");
      const early = await command(other.world, ["task", "logs", id]);
      writeFileSync(gate, "");
      const printed = await Promise.all(followed.map(({ ended }) => ended));
      await untilAsked("the hub has the log", async () => hasBlob(hub));
      await member.node.kill();
      for (const { world } of [hub, other])
        rmSync(join(world.state, "logs", "fetched"), { recursive: true, force: true });
      const late = await Promise.all([hub, other].map(({ world }) => command(world, ["task", "logs", id])));

      expect(early.stdout).toBe("first\n");
      expect(printed).toEqual(["first\nsecond\n", "first\nsecond\n"]);
      expect(late.map(({ stdout }) => stdout)).toEqual(["first\nsecond\n", "first\nsecond\n"]);
    } finally {
      await other.node.kill();
      other.world.remove();
      await startAgain();
    }
  });

  it("take up at once what is set for the fleet, without a restart", async () => {
    const before = nodePidOf(member.world.state);
    const set = await command(hub.world, ["config", "set", "--fleet", "limits.attempts", "7"]);
    const refused = await command(hub.world, ["config", "set", "--fleet", "http.port", "7"]);

    await untilAsked("a task of the member has as many attempts", async () => {
      const id = await submit(member, "member", "true");
      return ((await taskOn(member, id)) as { readonly maxAttempts?: number } | undefined)?.maxAttempts === 7;
    });
    const shown = await command(member.world, ["config", "show", "--origin", "--json"]);

    expect([set.code, refused.code]).toEqual([0, 1]);
    expect(set.stderr).toContain("What begins from now on goes by it");
    // `as`: what `drover config show --json` prints.
    const { settings } = JSON.parse(shown.stdout) as { readonly settings: readonly { readonly name: string }[] };
    expect(settings.find(({ name }) => name === "limits.attempts")).toMatchObject({ value: 7, origin: "fleet" });
    expect([(await standing(member.node))["pendingSettings"], nodePidOf(member.world.state)]).toEqual([[], before]);
  });

  it("stop on the member what is cancelled on the hub", async () => {
    const id = await submit(hub, "member", "exec sleep 300");
    await untilState(member, id, "running");

    expect(await hub.node.request("POST", `/api/tasks/${id}/cancel`, {})).toMatchObject({ status: 200 });

    await untilState(hub, id, "cancelled");
    await untilAsked("nothing runs", async () => {
      const { body } = await member.node.request("GET", "/api/node");
      return (body as { readonly running: readonly unknown[] }).running.length === 0; // `as`: by its schema
    });
  });

  it("lose nothing when the hub's node is replaced while the member works", async () => {
    const { workspace } = member.world;
    const id = await submit(hub, "member", "sleep 2; echo ran >> effects", { workspace });
    await untilState(member, id, "running");
    const before = nodePidOf(hub.world.state);

    expect(await command(hub.world, ["node", "restart"])).toMatchObject({ code: 0 });
    await untilAsked(
      "another node runs",
      async () => nodePidOf(hub.world.state) !== before && (await roleOf(hub)) === "hub",
    );

    const done = await untilState(hub, id, "done");
    expect(done.attempts).toHaveLength(1);
    expect(readFileSync(join(workspace, "effects"), "utf8")).toBe("ran\n");
  });

  it("go on with what a member ran that was killed while the hub was away", async () => {
    const { workspace, state } = member.world;
    const effects = join(workspace, "went on");
    const id = await submit(hub, "member", `sleep 3; echo ran >> "${effects}"`, { workspace });
    await untilState(member, id, "running");
    await untilAsked("the lease is noted", async () => notedLeases(state).includes(id));
    const stopped = [hub.node.pid, ...hub.world.processes().map(({ pid }) => pid)];
    for (const pid of stopped) process.kill(pid, "SIGSTOP");

    await member.node.kill();
    await startAgain();
    const ran = await untilAsked("it went on", async () => existsSync(effects) && readFileSync(effects, "utf8"));
    for (const pid of stopped) process.kill(pid, "SIGCONT");

    expect((await untilState(hub, id, "done")).attempts).toHaveLength(1);
    expect(ran).toBe("ran\n");
    expect(await roleOf(member)).toBe("member");
  });

  it("show each other what they changed for one goal before it is delivered, and nothing of it afterwards", async () => {
    const root = hub.world.path;
    const bare = bareCopy(newRepository(join(root, "origin")), join(root, "bare.git"));
    const site = { name: "site", url: `file://${bare}` };
    expect(await hub.node.request("POST", "/api/repos", site)).toMatchObject({ status: 201 });
    const on = { repo: "site", goal: "g1", workspace: undefined };

    const first = await submit(hub, "member", "echo 1 > one.txt", on);
    const seen = { verify: [{ kind: "file_exists", path: "one.txt" }], dependsOn: [first] };
    const second = await submit(hub, "hub", "cat one.txt > two.txt", { ...on, ...seen });
    await untilState(hub, second, "done");
    const shared = await untilAsked("both are on the branch", async () => {
      const files = filesAt(bare, "refs/drover/branches/g1");
      return "two.txt" in files && files;
    });
    const delivered = await hub.node.request("POST", "/api/repos/site/deliveries", {
      goal: "g1",
      approved: "pullRequest",
    });

    expect(shared).toMatchObject({ "one.txt": "1\n", "two.txt": "1\n" });
    expect(delivered).toMatchObject({ status: 200, body: { outcome: "patch" } });
    expect(git(bare, "for-each-ref", "--format=%(refname)").split("\n")).toEqual([
      "refs/heads/drover/g1",
      "refs/heads/main",
    ]);
  });

  it("run what either was given, show it on both, read each other's logs, and part again", async () => {
    const own = await submit(member, "member", "echo on the member");
    const other = await submit(member, "hub", "echo on the hub");
    const given = await submit(hub, "member", "echo from the hub");
    // Each byte is two characters of JSON: too large for the database that every node copies.
    const large = await submit(hub, "member", "head -c 200000 /dev/zero | tr '\\0' '\"'");

    for (const at of [hub, member]) for (const id of [own, other, given, large]) await untilState(at, id, "done");
    const ran = await Promise.all([own, other, given].map((id) => taskOn(hub, id)));
    const [hubId, memberId] = [await idOf(hub), await idOf(member)];
    expect(ran.map((task) => task?.attempts.map(({ node }) => node))).toEqual([[memberId], [hubId], [memberId]]);

    const log = await command(member.world, ["task", "logs", own]);
    const elsewhere = await command(member.world, ["task", "logs", other]);
    expect(log.stdout).toBe("on the member\n");
    expect(elsewhere.stdout).toBe("on the hub\n");

    const results = await Promise.all([hub, member].map(({ world }) => command(world, ["task", "result", large])));
    const shortened = (await taskOn(hub, large))?.result;
    expect(JSON.stringify(shortened).length).toBeLessThan(20_000);
    expect(Object.keys(shortened ?? {})).toContain("whole");
    for (const { stdout } of results) {
      // `as`: by its schema
      const { result } = JSON.parse(stdout) as { readonly result: { readonly output: { readonly head: string } } };
      expect(result.output.head).toBe('"'.repeat(16 * 1024));
    }

    // What the hub says of itself is in the table that every node reads.
    const shown = await untilAsked("the member sees what the hub offers", async () => {
      const { body } = await member.node.request("GET", "/api/nodes");
      const { nodes } = body as { readonly nodes: readonly { readonly id: string; readonly executors: string[] }[] };
      const row = nodes.find(({ id }) => id === hubId);
      return row !== undefined && row.executors.length > 0 && row;
    });
    expect(shown.executors).toContain("shell");

    const [onHub, onMember] = [await command(hub.world, ["status"]), await command(member.world, ["status"])];
    expect(onHub.stdout).toMatch(/the hub is this node[^]*Nodes: 3[^]*member/);
    expect(onMember.stdout).toMatch(
      /member; the hub is hub \(http[^]*answers; what is shown here is up to date[^]*Nodes: 3/,
    );

    expect(await command(member.world, ["leave"])).toMatchObject({ code: 0 });
    await untilAsked("it is alone", async () => (await roleOf(member)) === "solo");
    expect(await taskOn(member, own)).toBeUndefined();
  });
});

describe("two nodes of a fleet with short leases, from the executable", () => {
  // Within a second of silence the hub is known to be away.
  beforeAll(() => startFleet({ DROVER_FLEET_LEASE_MS: "3000" }));
  afterAll(endFleet);

  it("take work while the hub stands still, say so, and have it done when it goes on", async () => {
    const stopped = [hub.node.pid, ...hub.world.processes().map(({ pid }) => pid)];
    for (const pid of stopped) process.kill(pid, "SIGSTOP");
    const id = await submit(member, "member", "true");
    const away = await untilAsked(
      "it is known",
      async () => {
        const said = await following(member);
        return said["hubAnswers"] === false && said;
      },
      40_000,
    );
    const shown = await command(member.world, ["status"]);
    const read = await taskOn(member, id);
    for (const pid of stopped) process.kill(pid, "SIGCONT");

    expect(away).toMatchObject({ outboxWaiting: 1 });
    expect(shown.stdout).toMatch(/does not answer; what is shown here is .*; 1 change of this node not sent yet/);
    expect(read?.state).toBe("waiting");
    expect((await untilState(hub, id, "done")).attempts).toHaveLength(1);
    await untilAsked("nothing waits", async () => (await following(member))["outboxWaiting"] === 0);
  });
});

describe("a hub whose changes are replicated, from the executable", () => {
  beforeAll(() => startBoth({ DROVER_STORE_DURABILITY: "replicated" }));
  afterAll(endFleet);

  it("says that it cannot while it is alone, refuses while nobody follows it, and accepts what a member has", async () => {
    const task = { title: "t", command: ["true"], requires: { labels: { at: "hub" } } };
    const alone = await command(hub.world, ["status"]);
    await joinAll(hub, []);
    const refused = await hub.node.request("POST", "/api/tasks", task);
    await joinAll(hub, [member]);

    await untilAsked("a change is replicated", async () => {
      const { status } = await hub.node.request("POST", "/api/tasks", task);
      return status === 201;
    });
    const { durability } = (await standing(hub.node)) as { readonly durability: unknown }; // `as`: by its schema

    expect(alone.stdout).toContain("durability");
    expect(alone.stdout).toContain("this node is alone");
    expect(refused).toMatchObject({ status: 503, body: { code: "too_few_replicas" } });
    expect(durability).toMatchObject({ mode: "replicated", replicas: 1, live: 1 });
  });
});
