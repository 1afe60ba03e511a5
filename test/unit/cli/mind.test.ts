import { describe, expect, it } from "vitest";
import { createCli, parsed } from "./cli-harness.ts";

describe("drover fsm", () => {
  it("state says what the mind does and why", async () => {
    const { exit, stdout } = await createCli().run("fsm", "state");

    expect(exit).toBe(0);
    expect(stdout).toMatch(/^ +state +resting for /m);
    expect(stdout).toMatch(/^ +because +it has no journal yet$/m);
  });

  it("pause, history and resume are of one mind", async () => {
    const cli = createCli();

    const paused = await cli.run("fsm", "pause", "--for", "2h", "--reason", "new disks", "--by", "gertrude");
    const again = await cli.run("fsm", "pause");
    const history = await cli.run("fsm", "history");
    const resumed = await cli.run("fsm", "resume");

    expect(paused.stdout).toMatch(/paused by gertrude for 2 h more: new disks/);
    expect([paused.exit, again.exit, resumed.exit]).toEqual([0, 1, 0]);
    expect(again.stderr).toMatch(/the mind is paused already.*Resume it first/s);
    expect(history.stdout).toMatch(/paused +new disks +gertrude/);
    expect(resumed.stdout).toMatch(/resting/);
  });

  it("force takes a state, and --json gives the document of the API", async () => {
    const cli = createCli();

    const forced = await cli.run("fsm", "force", "improving", "--reason", "a look", "--json");
    const wrong = await cli.run("fsm", "force", "dreaming");
    const history = await cli.run("fsm", "history", "--limit", "1", "--json");

    expect(parsed(forced.stdout)).toMatchObject({ state: "improving", reason: "a look" });
    expect(wrong.exit).not.toBe(0);
    expect(parsed(history.stdout)).toMatchObject({ items: [{ kind: "changed", by: "operator" }] });
  });

  it("release is refused where nothing is held, with what to do", async () => {
    const { exit, stderr } = await createCli().run("fsm", "release");

    expect(exit).toBe(1);
    expect(stderr).toContain("the mind is not on hold");
  });

  it.each([["8d"], ["0s"], ["soon"]])("pause takes no time of %s", async (time) => {
    expect((await createCli().run("fsm", "pause", "--for", time)).exit).toBe(2);
  });

  it("rules shows states and remediations", async () => {
    const { stdout } = await createCli().run("fsm", "rules");

    expect(stdout).toMatch(/^healing +15 s +5 m +8$/m);
    expect(stdout).toMatch(/^stuckTasks +3 tasks +0 tasks +requeueTasks +3 in 1 h$/m);
    expect(stdout).toMatch(/^clockSkew +5\.0 s +1\.0 s +askPerson /m);
    expect(stdout).toMatch(/^diskLow +95 % +90 % +prune /m);
  });
});
