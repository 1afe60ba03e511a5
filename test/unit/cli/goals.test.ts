import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { orderOf } from "#goals";
import { executeAs } from "../../support/goals.ts";
import { must } from "../../support/opened-stores.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { submit } from "../api/api-harness.ts";
import { createCli } from "./cli-harness.ts";

const folder = mkdtempSync(join(tmpdir(), "drover-goals-"));
const TASK_XML = `<task version="1"><title>Say hello</title><command type="list"><item>echo</item><item>hello</item></command></task>`;
const MARKDOWN = join(folder, "goal.md");

beforeAll(() => {
  writeFileSync(MARKDOWN, "# Greet in French\n\nSay it nicely.\n\n## Success criteria\n\n- it greets\n");
  writeFileSync(join(folder, "bad.xml"), "<!DOCTYPE goal><goal/>");
  writeFileSync(join(folder, "wrong-task.xml"), "<task><title>one</title><lane>fast</lane></task>");
  for (const kind of ["proposal", "improvement"]) {
    writeFileSync(join(folder, `${kind}.xml`), `<${kind}><title>one</title></${kind}>`);
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("goals on the command line", () => {
  it("are handed in with checks and a budget, listed, shown and cancelled", async () => {
    const cli = createCli();

    const about = ["--title", "Greet", "--priority", "high", "--criterion", "it greets"];
    const checks = ["--verify-contains", "a.txt=Bonjour", "--verify-test", "make test"];
    const added = await cli.run("goal", "add", ...about, ...checks, "--budget-usd", "2.50", "--budget-tokens", "1000");
    const id = added.stdout.trim();
    const listed = await cli.run("goal", "list");
    const shown = JSON.parse((await cli.run("goal", "show", id, "--json")).stdout) as Record<string, unknown>;
    const cancelled = await cli.run("goal", "cancel", id, "--reason", "enough");
    const again = await cli.run("goal", "list", "cancelled");

    expect(added.exit).toBe(0);
    expect(listed.stdout).toContain("Greet");
    expect(shown).toMatchObject({
      state: "submitted",
      channel: "cli",
      priority: "high",
      budget: { tokens: 1_000, costMicrodollars: 2_500_000 },
      verify: [
        { kind: "file_contains", path: "a.txt", pattern: "Bonjour" },
        { kind: "test_passes", command: ["sh", "-c", "make test"] },
      ],
    });
    expect(cancelled.stdout).toContain(`${id} is cancelled`);
    expect(again.stdout).toContain(id);
  });

  it("are shown to people with reason, verdict and what to do next", async () => {
    const cli = createCli();
    const id = (await cli.run("goal", "add", "--title", "Greet")).stdout.trim();

    const open = await cli.run("goal", "show", id, "--history");
    await cli.run("goal", "cancel", id, "--reason", "enough");
    const ended = await cli.run("goal", "show", id);

    expect(open.stdout).toMatch(/state +submitted/);
    expect(open.stdout).toContain("submitted");
    expect(ended.stdout).toMatch(/reason +enough/);
  });

  it("say which task no node can run, and what can be done about it", async () => {
    const cli = createCli();
    const { goals } = cli.harness.ports;
    const { id } = must(await goals.submit(orderOf({ title: "Greet" })));
    const task = await submit(cli.harness, { requires: { labels: { gpu: "large" } } });
    await executeAs(goals, id, task);

    const held = await cli.run("goal", "show", id);
    await cli.run("task", "cancel", task);
    const free = await cli.run("goal", "show", id);

    expect(held.stdout).toMatch(new RegExp(`waits +task ${task}: no node can run it .*gpu=large`));
    expect(held.stdout).toMatch(/remedy +Add a node that has it/);
    expect(free.stdout).not.toContain("no node can run it");
  });

  it("wait ends with 1 for a goal that was cancelled, and with 5 when the time is over", async () => {
    const cli = createCli();
    const id = (await cli.run("goal", "add", "--title", "Greet")).stdout.trim();

    const { done, seen } = cli.start("goal", "wait", id, "--timeout", "90s");
    await waitUntil("it is seen", () => seen.stderr().includes("is submitted"));
    cli.harness.clock.advance(90_000);
    const late = await done;
    await cli.run("goal", "cancel", id);
    const failed = await cli.run("goal", "wait", id);

    expect([late.exit, failed.exit]).toEqual([5, 1]);
    expect(late.stderr).toContain(`drover goal show ${id}`);
  });

  it("come from Markdown, and go out as a document that gives the same goal", async () => {
    const cli = createCli();

    const imported = await cli.run("goal", "import", MARKDOWN, "--idempotency-key", "k");
    const id = imported.stdout.trim();
    for (const format of ["md", "toml", "xml"]) {
      const exported = await cli.run("goal", "export", id, "--format", format);
      const file = join(folder, `again.${format}`);
      writeFileSync(file, `${exported.stdout}\n`);
      const again = (await cli.run("goal", "import", file)).stdout.trim();
      const goal = JSON.parse((await cli.run("goal", "show", again, "--json")).stdout) as Record<string, unknown>;

      expect(goal).toMatchObject({
        title: "Greet in French",
        description: "Say it nicely.",
        successCriteria: ["it greets"],
        channel: "file",
      });
    }
    const repeated = await cli.run("goal", "import", MARKDOWN, "--idempotency-key", "k");
    expect(repeated.stdout.trim()).toBe(id);
  });

  it("may be a single task, which is submitted, once under its key", async () => {
    const cli = createCli();
    const file = join(folder, "task.xml");
    writeFileSync(file, TASK_XML);

    const first = await cli.run("goal", "import", file, "--idempotency-key", "k");
    const again = await cli.run("goal", "import", file, "--idempotency-key", "k");
    const task = JSON.parse((await cli.run("task", "show", first.stdout.trim(), "--json")).stdout) as object;

    expect([first.exit, first.stderr, again.stdout]).toEqual([0, "", first.stdout]);
    expect(task).toMatchObject({ title: "Say hello", state: "ready" });
  });

  it("say everything that is known of them as a document of their state", async () => {
    const cli = createCli();
    const id = (await cli.run("goal", "add", "--title", "Greet")).stdout.trim();

    const state = await cli.run("goal", "export", id, "--whole", "--format", "xml");
    const toml = await cli.run("goal", "export", id, "--whole", "--format", "toml");

    expect(state.stderr).toBe("");
    expect(state.stdout).toContain('<state version="1">');
    expect(state.stdout).toContain(`<id>${id}</id>`);
    expect([toml.exit, toml.stderr]).toEqual([1, expect.stringContaining("TOML has no way to say")]);
  });

  it.each([
    ["goal add without a title", ["goal", "add"], 2, /needs --title/],
    [
      "a budget that is none",
      ["goal", "add", "--title", "a", "--budget-usd", "much"],
      2,
      /must be an amount such as 2\.50/,
    ],
    ["a check without a pattern", ["goal", "add", "--title", "a", "--verify-contains", "a"], 2, /must be PATH=PATTERN/],
    ["a state that is none", ["goal", "list", "done"], 2, /STATE must be one of submitted/],
    ["an id that is none", ["goal", "show", "t_1"], 1, /there is no goal t_1/],
    ["a document with a DOCTYPE", ["goal", "import", join(folder, "bad.xml")], 1, /a DOCTYPE is not allowed/],
    ["a document of a proposal", ["goal", "import", join(folder, "proposal.xml")], 1, /drover proposal list/],
    ["a document of an improvement", ["goal", "import", join(folder, "improvement.xml")], 1, /drover improvement look/],
    [
      "a document of a task that is none",
      ["goal", "import", join(folder, "wrong-task.xml")],
      1,
      /the task is not valid: /,
    ],
    ["a file of no known form", ["goal", "import", join(folder, "a.docx")], 2, /Use \.md, \.toml or \.xml/],
    ["a file that is not there", ["goal", "import", join(folder, "none.md")], 2, /cannot be read/],
  ])("of %s say what is wrong", async (_what, line, exit, message) => {
    const outcome = await createCli().run(...line);

    expect(outcome.exit).toBe(exit);
    expect(outcome.stderr).toMatch(message);
  });
});
