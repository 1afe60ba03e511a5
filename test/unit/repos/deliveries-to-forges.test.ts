import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ok, SimulatedClock } from "#base";
import { openForge } from "#repos";
import { git } from "../../support/git-repositories.ts";
import { must } from "../../support/opened-stores.ts";
import { impatientClock, OPEN, world } from "./delivery-world.ts";

describe.each(["github", "gitea"] as const)("a delivery to %s", (forge) => {
  it("opens one pull request that explains its risk, also when the answer to its making is lost", async () => {
    const { change, deliver, server } = await world({ forge, policy: { ...OPEN, atMost: "pullRequest" } });
    await change();
    if (server !== undefined) server.lost.next = true;

    const first = must(await deliver());
    const head = await change({ "lib/one.ts": "export const one = 2;\n" }, "Mend one");
    const second = must(await deliver());

    expect(first).toMatchObject({ outcome: "pullRequest", link: "http://forge.example/ada/site/pulls/1" });
    expect(second.link).toBe(first.link);
    expect(server?.pulls).toMatchObject([{ title: "Add one", head: "drover/g1", base: "main" }]);
    expect(server?.pulls[0]?.body).toContain("| size |");
    expect(head).toHaveLength(40);
  });

  it("merges by the forge, unless its own checks are open or red", async () => {
    const { bare, change, deliver, server } = await world({ forge });
    await change();
    if (server !== undefined) server.status = "pending";
    const waiting = must(await deliver());
    if (server !== undefined) server.status = "success";

    const merged = must(await deliver({ approved: "merge" }));

    expect(waiting).toMatchObject({ outcome: "pullRequest", detail: "the checks of the forge are pending" });
    expect(merged.outcome).toBe("merged");
    expect(server?.pulls).toMatchObject([{ isOpen: false, mergedBy: git(bare, "rev-parse", "main") }]);
  });

  it("goes on by itself with what waits for the forge: merges it, or says why it never will", async () => {
    const { change, deliver, deliveries, server, store, clock, bare } = await world({ forge: "gitea" });
    if (server === undefined) throw new Error("this test has a forge");
    const follow = async () => must(await deliveries.followWaiting("site"));
    const head = await change();
    server.status = "pending";
    must(await deliver());
    expect(await follow()).toEqual([]);
    server.status = "success";

    expect(await follow()).toMatchObject([{ goal: "g1", outcome: "merged" }]);
    expect(git(bare, "rev-parse", "main^2")).toBe(head);
    expect(await follow()).toEqual([]);

    for (const [status, detail] of [
      ["failure", "the checks of the forge are failing"],
      ["pending", "the checks of the forge did not end in time"],
    ] as const) {
      clock.advance(1);
      await change({ "lib/more.ts": `${detail}\n`, "test/more.test.ts": "check();\n" }, detail);
      server.status = "pending";
      must(await deliver());
      server.status = status;
      clock.advance(60_000);
      expect(await follow()).toMatchObject([{ outcome: "pullRequest", detail }]);
      expect(await follow()).toEqual([]);
      expect(must(store.deliveryOf("site", "g1"))).toMatchObject({ outcome: "pullRequest", detail });
    }
  });

  it("waits as long as the server asks, and tries faults of the server again", async () => {
    const { site, server, waits, tokens } = await world({ forge });
    server?.faults.push(new Response("slow down", { status: 429, headers: { "retry-after": "7" } }));
    server?.faults.push(new Response("down", { status: 503 }));

    const issues = must((await must(openForge(site, tokens, impatientClock(waits)))?.issues(10)) ?? ok([]));

    expect(issues).toMatchObject([{ number: 9, title: "Broken", labels: ["bug"], author: "ada" }]);
    expect(waits).toEqual([7_000, 1_000]);
  });

  it("shows its token in no message, and takes none from a file that others may read", async () => {
    const { site, server, token, tokenFile, tokens, change, deliver } = await world({ forge });
    await change();
    writeFileSync(tokenFile, `${token}x\n`);

    const refused = await deliver();
    Bun.spawnSync(["chmod", "644", tokenFile]);
    const open = openForge(site, tokens, new SimulatedClock());

    expect(refused).toMatchObject({ ok: false, error: { kind: "refused" } });
    expect(JSON.stringify(refused)).toContain("401");
    expect(JSON.stringify(refused)).not.toContain(token);
    expect(open).toMatchObject({ ok: false, error: { remedy: `Run: chmod 600 ${tokenFile}` } });
    expect(server?.pulls).toEqual([]);
  });

  it("says a thing once", async () => {
    const { site, server, change, deliver, waits, tokens } = await world({
      forge,
      policy: { ...OPEN, atMost: "pullRequest" },
    });
    await change();
    must(await deliver());
    const port = must(openForge(site, tokens, impatientClock(waits)));
    if (server !== undefined) server.lost.next = true;

    await port?.comment(1, "g1/done", "It is done.");
    await port?.comment(1, "g1/done", "It is done.");

    expect(server?.comments).toHaveLength(1);
  });
});
