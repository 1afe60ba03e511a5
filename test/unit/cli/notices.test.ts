import { describe, expect, it } from "vitest";
import { refused } from "#base";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { notice, noticeWorld, settled } from "../hooks/notice-world.ts";
import { createCli, parsed } from "./cli-harness.ts";

const folder = temporaryFolders();

describe("drover notify", () => {
  it("lists channels and history, and tests a channel through the API", async () => {
    const world = noticeWorld(folder(), [{ leastSeverity: "warning" }]);
    const notifier = world.open();
    const cli = createCli({ ports: { notices: notifier } });
    notifier.start();
    world.next.fault = refused("invalid", "hooks.example answered 404", "Check the address");
    notifier.notify(notice({ title: "Disk\u001b[2J is full" }));
    await settled();

    const list = await cli.run("notify", "list");
    const history = await cli.run("notify", "history", "--channel", "c1", "--json");
    const bad = await cli.run("notify", "test", "c1");
    world.next.fault = undefined;
    const good = await cli.run("notify", "test", "c1");
    const unknown = await cli.run("notify", "test", "c9");
    await notifier.stop();

    expect(list.stdout).toMatch(/^c1 +http +warning +\* +0 +0 +1 +- +hooks\.example$/m);
    expect(list.stderr).toContain("c1: hooks.example answered 404");
    expect(parsed(history.stdout)).toMatchObject({ notices: [{ n: 1, state: "failed", tries: 1 }], nextBefore: null });
    expect((await cli.run("notify", "history")).stdout).not.toContain("\u001b");
    expect(bad.exit).not.toBe(0);
    expect(bad.stderr).toContain("hooks.example answered 404");
    expect(good).toMatchObject({ exit: 0, stdout: "c1: taken by hooks.example\n" });
    expect(unknown.stderr).toContain("drover notify list");
    world.connection.close();
  });
});
