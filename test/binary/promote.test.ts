import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type BinaryNode, BinaryWorld, startBinaryNode } from "../support/binary-node.ts";
import { killPid } from "../support/binary-processes.ts";
import { submitTask, taskEnds } from "../support/node-tasks.ts";
import { untilAsked } from "../support/until-asked.ts";
import { killWhole, startAgain, startVoters, untilServing } from "../support/voters.ts";

type Fleet = { readonly role: string; readonly epoch: number; readonly hub: { readonly name: string } | null };

let world: BinaryWorld;

beforeEach(() => {
  world = new BinaryWorld();
});
afterEach(() => {
  world.remove();
});

function start(name: string, env: Record<string, string> = {}): Promise<BinaryNode> {
  return startBinaryNode(world, {
    state: join(world.path, name),
    env: { DROVER_NODE_NAME: name, DROVER_HW_DISCOVER: "false", ...env },
  });
}

/** A node without a watchdog takes up what was noted with its next start, on the port that the others know. */
async function again(node: BinaryNode, name: string, env: Record<string, string> = {}): Promise<BinaryNode> {
  await node.kill();
  return start(name, { DROVER_HTTP_PORT: new URL(node.url).port, ...env });
}

async function standing(node: BinaryNode): Promise<Fleet> {
  return (await node.request("GET", "/api/fleet")).body as Fleet; // `as`: the API's own document
}

async function namesOn(node: BinaryNode): Promise<readonly string[]> {
  // `as`: the API's own document
  const { nodes } = (await node.request("GET", "/api/nodes")).body as { readonly nodes: readonly { name: string }[] };
  return nodes.map(({ name }) => name);
}
it("three voters elect another hub when theirs is killed, and what was accepted before and after is done", async () => {
  const { hub, others } = await startVoters(1_000);
  try {
    const [member] = others;
    if (member === undefined) throw new Error("there is no member");
    const before = await submitTask(member.node, { title: "before", command: ["sleep", "1"] });
    killWhole(hub);

    const elected = await untilServing(others);
    const after = await submitTask(elected.node, { title: "after", command: ["true"] });
    expect((await taskEnds(elected.node, before.id)).state).toBe("done");
    expect((await taskEnds(elected.node, after.id)).state).toBe("done");
    expect(await standing(elected.node)).toMatchObject({ failover: { term: { why: "elected", name: elected.name } } });

    await startAgain(hub);
    await untilAsked("the old hub follows", async () => {
      const { role, hub: followed } = await standing(hub.node);
      return role !== "hub" && followed?.name === elected.name;
    });
  } finally {
    for (const { world: one } of [hub, ...others]) one.remove();
  }
}, 60_000);

it("a member that is promoted is followed by the others and by the old hub, wherever it was killed", async () => {
  const hub = await start("hub");
  const invited = await hub.request("POST", "/api/tokens", { uses: 2 });
  const { invitation } = invited.body as { readonly invitation: string }; // `as`: the API's own document
  const hubAgain = await again(hub, "hub");
  const token = `${invitation.split("@")[0]}@${hubAgain.url}`;
  const joined = async (name: string): Promise<BinaryNode> => {
    const node = await start(name);
    const answer = await node.request("POST", "/api/fleet/join", { invitation: token, name, url: node.url });
    expect(answer.status).toBe(200);
    return again(node, name);
  };
  const a = await joined("a");
  const b = await joined("b");

  expect((await a.request("POST", "/api/fleet/promote", { hubIsOff: true })).status).toBe(409);
  await untilAsked("the heir knows the other member", async () => (await namesOn(a)).includes("b"));
  // The members hear nothing of what the hub accepts last.
  for (const { pid } of [a, b]) process.kill(pid, "SIGSTOP");
  const lonely = await submitTask(hubAgain, { title: "accepted by the hub alone", command: ["true"] });
  await hubAgain.kill();
  for (const { pid } of [a, b]) process.kill(pid, "SIGCONT");
  for (const { pid } of world.processes()) if (pid !== a.pid && pid !== b.pid) killPid(pid);
  const promoted = await a.request("POST", "/api/fleet/promote", { hubIsOff: true });
  expect(promoted.status).toBe(200);
  const { epoch } = promoted.body as { readonly epoch: number }; // `as`: the API's own document
  expect(epoch).toBeGreaterThan(1);

  for (const label of ["promotion.noted", "promotion.copied", "promotion.exchanged"]) {
    await expect(again(a, "a", { DROVER_CRASH_POINT: label })).rejects.toThrow(/SIGKILL/);
  }
  const newHub = await again(a, "a");
  expect(await standing(newHub)).toMatchObject({ role: "hub", epoch });
  await untilAsked("b follows", async () => (await standing(b)).hub?.name === "a");
  await untilAsked("b shows the new epoch", async () => (await standing(b)).epoch === epoch);
  const { id } = await submitTask(b, { title: "after", command: ["true"] });

  const back = await start("hub", { DROVER_HTTP_PORT: new URL(hubAgain.url).port });
  await untilAsked("the old hub follows", async () => (await standing(back)).hub?.name === "a");
  for (const node of [newHub, b, back]) {
    for (const each of [id, lonely.id]) {
      await untilAsked("the node shows the task as done", async () => {
        const { body } = await node.request("GET", `/api/tasks/${each}`);
        return (body as { readonly state?: string }).state === "done"; // `as`: the API's own document
      });
    }
  }
  const [name = ""] = readdirSync(join(world.path, "hub", "quarantine"));
  await untilAsked("the quarantine is settled", async () => {
    const { body } = await back.request("GET", `/api/fleet/quarantine/${name}`);
    return (body as { readonly folder?: { readonly state: string } }).folder?.state === "settled"; // `as`: likewise
  });
  const { body: shown } = await back.request("GET", `/api/fleet/quarantine/${name}`);
  const { entries } = shown as { readonly entries: readonly object[] }; // `as`: likewise
  expect(entries[0]).toMatchObject({ kind: "submission", taskId: lonely.id, outcome: "accepted" });
  expect((await back.request("DELETE", `/api/fleet/quarantine/${name}`)).status).toBe(200);
  expect(readdirSync(join(world.path, "hub", "quarantine"))).toEqual([]);
  expect(existsSync(join(world.path, "a", "fleet.db.promoted"))).toBe(false);
}, 60_000);
