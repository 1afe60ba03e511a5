import { describe, expect, it } from "vitest";
import { memoryFleet } from "../../support/fleet.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { bodyOf, createHarness } from "../api/api-harness.ts";
import { createCli, parsed } from "../cli/cli-harness.ts";
import { PUSH, webhookWorld } from "./webhook-world.ts";

const folder = temporaryFolders();

function served(api: Parameters<typeof createCli>[0] = {}) {
  const world = webhookWorld(folder());
  const cli = createCli({ ...api, ports: { webhooks: world.port, ...api.ports } });
  const post = (headers: Record<string, string>, body: string, path = "/api/webhooks/hub"): Promise<Response> =>
    Promise.resolve(
      cli.harness.api.app.request(`http://forge-tunnel.example${path}`, {
        method: "POST",
        body,
        headers: { "content-type": "application/json", ...headers },
      }),
    );
  return { world, cli, post };
}

describe("POST /api/webhooks/SOURCE", () => {
  it("takes a signed push without a token and under any host name, once, and the command line lists it", async () => {
    const { world, cli, post } = served();
    const headers = world.github("push", "d-1", PUSH);

    const first = await post(headers, PUSH);
    const second = await post(headers, PUSH);

    expect(first.status).toBe(202);
    expect(await bodyOf(first)).toEqual({ n: 1, outcome: "wake", reason: "push in octo/hello", isRepeated: false });
    expect(second.status).toBe(200);
    expect(await bodyOf(second)).toMatchObject({ n: 1, isRepeated: true });
    const listed = await cli.run("webhook", "deliveries");
    expect(listed.stdout).toMatch(/^1 +\d+ s +hub +push +octo\/hello +wake +done +1 +push in octo\/hello$/m);
    expect(parsed((await cli.run("webhook", "deliveries", "--json")).stdout)).toMatchObject({
      deliveries: [{ n: 1, repeats: 1 }],
      nextBefore: null,
    });
    expect((await cli.run("webhook", "show", "1")).stdout).toContain("refs/heads/main");
    expect(await cli.run("webhook", "redeliver", "1")).toMatchObject({
      exit: 0,
      stdout: "1: wake, push in octo/hello\n",
    });
    expect(world.woken).toHaveLength(2);
    world.close();
  });

  it("says the same to a wrong signature and an unknown source, and tells the operator why", async () => {
    const { world, cli, post } = served();
    const headers = world.github("push", "d-1", "{}");

    const wrong = await post(headers, PUSH);
    const unknown = await post(headers, PUSH, "/api/webhooks/none");

    expect(wrong.status).toBe(401);
    expect(await wrong.text()).toBe(await unknown.text());
    const { stdout, stderr } = await cli.run("webhook", "list");
    expect(stdout).toMatch(/^hub +github +\/api\/webhooks\/hub +Octo\/Hello +drover +1$/m);
    expect(stderr).toContain("the signature is not of its secret");
    for (const secret of world.secrets.values()) expect(stdout + stderr).not.toContain(secret[0]);
    world.close();
  });

  it("refuses a body that is too long, a page of another origin, and whoever asks too often", async () => {
    const { world, post } = served({ api: { rateLimits: { webhook: { perSecond: 1, burst: 3 } } } });
    const long = JSON.stringify({ text: "x".repeat(5_000) });

    const tooLong = await post(world.github("push", "d-1", long), long);
    const page = await post({ ...world.github("push", "d-1", PUSH), origin: "https://page.example" }, PUSH);
    const statuses: number[] = [];
    for (let n = 0; n < 3; n += 1) statuses.push((await post(world.github("push", "d-1", PUSH), PUSH)).status);

    expect(tooLong.status).toBe(413);
    expect(page.status).toBe(403);
    expect(statuses).toEqual([202, 200, 429]);
    world.close();
  });

  it("sends senders to the hub when this node follows one", async () => {
    const harness = createHarness();
    const fleet = memoryFleet({ node: harness.node, name: "box", clock: harness.clock, random: harness.ports.random });
    const hub = { id: harness.node, name: "rack", url: "https://rack.example:7433", publicKey: "k" };
    const { world, post } = served({
      ports: { fleet: { ...fleet, standing: () => ({ ...fleet.standing(), role: "member", hub }) } },
    });

    const response = await post(world.github("push", "d-1", PUSH), PUSH);

    expect(response.status).toBe(421);
    expect(await bodyOf(response)).toMatchObject({ remedy: "Deliver to https://rack.example:7433/api/webhooks/hub" });
    world.close();
  });

  it("keeps what was delivered from those without the token", async () => {
    const { cli, world } = served();

    for (const path of ["/api/webhooks", "/api/webhooks/deliveries", "/api/webhooks/deliveries/1"]) {
      expect((await cli.harness.api.app.request(`http://localhost${path}`)).status).toBe(401);
    }
    const again = await cli.harness.api.app.request("http://localhost/api/webhooks/deliveries/1/redeliver", {
      method: "POST",
    });
    expect(again.status).toBe(401);
    world.close();
  });
});
