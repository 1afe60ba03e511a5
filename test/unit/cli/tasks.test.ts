import { describe, expect, it } from "vitest";
import { submit } from "../api/api-harness.ts";
import { createCli, itemsOf, parsed, parsedLines } from "./cli-harness.ts";

describe("task add", () => {
  it("submits a command with its checks and prints the id alone to a pipe", async () => {
    const cli = createCli();

    const about = ["--lane", "high", "--label", "team=core", "--workspace", "sub", "--deadline", "90s"];
    const files = ["--verify-file", "a.txt", "--verify-contains", "b.txt=x=y"];
    const added = await cli.run(
      "task",
      "add",
      ...about,
      ...files,
      "--verify-command",
      "make ok",
      "--",
      "make",
      "all it",
    );

    expect(added).toMatchObject({ exit: 0, stderr: "" });
    const id = added.stdout.trim();
    const shown = await cli.run("task", "show", id, "--json");
    expect(parsed(shown.stdout)).toMatchObject({
      id,
      title: "make all it",
      command: ["make", "all it"],
      lane: "high",
      labels: { team: "core" },
      workspace: "/srv/here/sub",
      deadlineMs: 90_000,
      verify: [
        { kind: "file_exists", path: "a.txt" },
        { kind: "file_contains", path: "b.txt", pattern: "x=y" },
        { kind: "command_succeeds", command: ["sh", "-c", "make ok"] },
      ],
    });
  });

  it.each([
    [
      "yaml",
      "tasks.yaml",
      "- {title: one, ref: first, command: [a], workspace: w}\n- {title: two, dependsOn: [first], command: [b]}\n",
    ],
    [
      "json",
      "tasks.json",
      '[{"title":"one","ref":"first","command":["a"],"workspace":"w"},{"title":"two","dependsOn":["first"],"command":["b"]}]',
    ],
    [
      "toml",
      "tasks.toml",
      '[[tasks]]\ntitle = "one"\nref = "first"\ncommand = ["a"]\nworkspace = "w"\n[[tasks]]\ntitle = "two"\ndependsOn = ["first"]\ncommand = ["b"]\n',
    ],
  ])("submits the tasks of a %s file at once, with references between them", async (_format, name, text) => {
    const cli = createCli({ files: { [`dir/${name}`]: text } });

    const added = await cli.run("task", "add", "--file", `dir/${name}`);

    expect(added).toMatchObject({ exit: 0, stderr: "" });
    const [first, second] = added.stdout.trim().split("\n");
    const tasks = await Promise.all(
      [first, second].map(async (id) => parsed((await cli.run("task", "show", id ?? "", "--json")).stdout)),
    );
    expect(tasks).toMatchObject([
      { title: "one", workspace: "/srv/here/dir/w" },
      { title: "two", dependsOn: [first] },
    ]);
  });

  it.each([
    [["task", "add"], {}, "there is nothing to run", "command: is missing"],
    [["task", "add", "--file", "no.json"], {}, "no.json does not exist", ""],
    [
      ["task", "add", "--file", "a.ini"],
      { "a.ini": "x" },
      "the ending .ini of a.ini says nothing about its format",
      ".json, .yaml or .toml",
    ],
    [["task", "add", "--file", "a.json"], { "a.json": "{" }, "a.json is not JSON", ""],
    [["task", "add", "--file", "a.yaml"], { "a.yaml": "a: [" }, "a.yaml is not YAML", "line 1"],
    [["task", "add", "--file", "a.toml"], { "a.toml": "= 3" }, "a.toml is not TOML", ""],
    [
      ["task", "add", "--file", "a.json", "--title", "x"],
      { "a.json": "{}" },
      "--file and --title cannot be given together",
      "",
    ],
    [
      ["task", "add", "--file", "a.json", "--", "x"],
      { "a.json": "{}" },
      "--file and a command cannot be given together",
      "",
    ],
    [["task", "add", "--run-at", "noon", "--", "x"], {}, '--run-at: "noon" is not an instant', ""],
    [["task", "add", "--verify-contains", "x", "--", "y"], {}, '--verify-contains must be PATH=PATTERN, not "x"', ""],
  ])("%j is a usage error and changes nothing", async (argv, files, message, detail) => {
    const cli = createCli({ files });

    const refused = await cli.run(...argv);

    expect(refused).toMatchObject({ exit: 2, stdout: "" });
    expect(refused.stderr).toContain(message);
    expect(refused.stderr).toContain(detail);
    expect(itemsOf((await cli.run("task", "list", "--json")).stdout)).toEqual([]);
  });

  it("shows what the node finds wrong with a task, field by field", async () => {
    const cli = createCli({
      files: { "t.yaml": "- title: a\n  comand: [x]\n- {title: b, command: [x], lane: fast}\n" },
    });

    const refused = await cli.run("task", "add", "--file", "t.yaml");

    expect(refused).toMatchObject({ exit: 1, stdout: "" });
    expect(refused.stderr).toMatchInlineSnapshot(`
      "drover: submit 2 tasks: the body is not valid: 0.comand: unknown field; did you mean "command"? (and 1 more)
        0.comand: unknown field; did you mean "command"?
        1.lane: must be one of critical, high, normal, low, background
      "
    `);
    const json = await cli.run("task", "add", "--file", "t.yaml", "--json");
    expect(parsed(json.stderr)).toMatchObject({
      status: 400,
      code: "invalid",
      errors: [{ path: "0.comand" }, { path: "1.lane" }],
    });
  });

  it("with an idempotency key that is known prints the same id again", async () => {
    const cli = createCli();

    const first = await cli.run("task", "add", "--idempotency-key", "k", "--", "x");
    const again = await cli.run("task", "add", "--idempotency-key", "k", "--", "x");
    const other = await cli.run("task", "add", "--idempotency-key", "k", "--", "y");

    expect(again.stdout).toBe(first.stdout);
    expect(other).toMatchObject({ exit: 1, stdout: "" });
    expect(other.stderr).toContain("next: ");
  });
});

describe("task list", () => {
  async function withTasks(columns?: number, env: Record<string, string> = {}) {
    const cli = createCli({ ...(columns === undefined ? {} : { columns }), env });
    await submit(cli.harness, { title: "compile the program and all of its parts", lane: "high" });
    cli.harness.clock.advance(61_000);
    await cli.harness.work();
    await submit(cli.harness, { title: "fail", maxAttempts: 1 });
    await cli.harness.work({ outcome: "failed", error: "the command exited with code 1" });
    cli.harness.clock.advance(5_000);
    await submit(cli.harness, { title: "wait\u001b[31m for it", runAt: "2100-01-01T00:00:00Z" });
    return cli;
  }

  it("is a table without limits for a pipe", async () => {
    const cli = await withTasks();

    expect((await cli.run("task", "list")).stdout).toMatchInlineSnapshot(`
      "ID                            STATE    LANE    TRIES  AGE  TITLE                                     NOTE
      t_01hf7yctegehptxdb7ps100ctv  waiting  normal    0/3  0 s  wait·[31m for it                          waits for its time
      t_01hf7ycnj8ecz9vnp1cmypqf5b  dead     normal    1/1  5 s  fail                                      its only attempt failed; the last: the command exited with code 1
      t_01hf7yat00e0br7xs0ey2qtvz7  done     high      1/3  1 m  compile the program and all of its parts
      "
    `);
  });

  it("fits a terminal, with colours and lines", async () => {
    const cli = await withTasks(72, { LANG: "en_GB.UTF-8" });

    expect((await cli.run("task", "list")).stdout).toMatchInlineSnapshot(`
      "[1mID                          [0m  [1mSTATE  [0m  [1mLANE  [0m  [1mTRIES[0m  [1mTITLE[0m
      [2m────────────────────────────  ───────  ──────  ─────  ──────────────────[0m
      t_01hf7yctegehptxdb7ps100ctv  [2mwaiting[0m  normal    0/3  wait·[31m for it
      t_01hf7ycnj8ecz9vnp1cmypqf5b  [31mdead   [0m  normal    1/1  fail
      t_01hf7yat00e0br7xs0ey2qtvz7  [32mdone   [0m  high      1/3  compile the progr…
      "
    `);
  });

  it("fits a narrow terminal without colours and with ASCII alone", async () => {
    const cli = await withTasks(48, { NO_COLOR: "1", LC_ALL: "C" });

    expect((await cli.run("task", "list")).stdout).toMatchInlineSnapshot(`
      "ID                            STATE    TITLE
      t_01hf7yctegehptxdb7ps100ctv  waiting  wait·[31~
      t_01hf7ycnj8ecz9vnp1cmypqf5b  dead     fail
      t_01hf7yat00e0br7xs0ey2qtvz7  done     compile ~
      "
    `);
  });

  it("takes states, a lane and a label, and says when nothing is like that", async () => {
    const cli = await withTasks();

    expect((await cli.run("task", "list", "dead", "--json")).stdout).toContain('"title": "fail"');
    expect(itemsOf((await cli.run("task", "list", "done", "waiting", "--json")).stdout)).toHaveLength(2);
    expect(await cli.run("task", "list", "--label", "a=b")).toEqual({
      exit: 0,
      stdout: "",
      stderr: "No task is like that.\n",
    });
    expect(await cli.run("task", "list", "ded")).toMatchObject({ exit: 2, stdout: "" });
  });

  it("goes over as many pages as the limit asks for", async () => {
    const cli = createCli();
    const batch = Array.from({ length: 620 }, (_, index) => ({ title: `task ${index}`, command: ["x"] }));
    await cli.harness.send("POST", "/api/tasks", batch);

    const all = (await cli.run("task", "list", "--limit", "1000", "--json")).stdout;
    const some = await cli.run("task", "list", "--limit", "600");

    expect(parsed(all)).toMatchObject({ nextCursor: null });
    expect(new Set(itemsOf(all).map((task) => task["id"])).size).toBe(620);
    expect(some.stdout.trim().split("\n")).toHaveLength(601);
    expect(some.stderr).toContain("There are more");
  });
});

describe("task show and explain", () => {
  it("show attempts, checks and the reason", async () => {
    const cli = createCli();
    const id = await submit(cli.harness, {
      title: "make a report",
      command: ["sh", "-c", "echo 'hi' > out"],
      maxAttempts: 2,
      verify: [{ kind: "file_exists", path: "report.txt" }],
    });
    const checks = [
      {
        kind: "file_exists",
        passed: false,
        summary: "report.txt does not exist",
        detail: "",
        durationMs: 1,
        timedOut: false,
      },
      {
        kind: "git_clean",
        passed: true,
        summary: "nothing is uncommitted",
        detail: "",
        durationMs: 1,
        timedOut: false,
      },
    ];
    await cli.harness.work({
      outcome: "partial_pass",
      error: "1 of 2 checks failed",
      report: { passed: false, checks },
      durationMs: 61_000,
    });
    await cli.run("task", "retry", id);
    await cli.harness.work({ outcome: "failed", consequence: "terminal", error: "no\u001b[2Jscreen", report: null });

    const shown = await cli.run("task", "show", id);

    expect(shown).toMatchObject({ exit: 0, stderr: "" });
    expect(shown.stdout).toMatchInlineSnapshot(`
      "make a report
        id        t_01hf7yat00e0br7xs0ey2qtvz7
        state     dead
        lane      normal
        attempts  2 of 2
        created   2023-11-14 22:13:20Z (0 s ago)
        ended     2023-11-14 22:13:20Z (0 s ago)
        command   sh -c 'echo '\\''hi'\\'' > out'
        checks    file_exists report.txt

      Why: no·[2Jscreen

      Attempts
        1  partial_pass  ran 1 m 1 s, waited 0 ms, shell
             1 of 2 checks failed
             FAILED report.txt does not exist
             ok nothing is uncommitted
        2  failed  ran 40 ms, waited 0 ms, shell
             no·[2Jscreen

      Result
        {
          "exitCode": 0
        }
      "
    `);
    expect((await cli.run("dead", "show", id)).stdout).toBe(shown.stdout);
  });

  it("explain says what a task waits for and what to do about it", async () => {
    const cli = createCli({ columns: 200, env: { NO_COLOR: "1" } });
    const first = await submit(cli.harness, { title: "first" });
    const second = await submit(cli.harness, { title: "second", dependsOn: [first], concurrencyKey: "k" });
    await cli.run("queue", "pause");

    const explained = await cli.run("task", "explain", second);

    expect(explained.exit).toBe(0);
    expect(explained.stdout).toMatchInlineSnapshot(`
      "t_01hf7yat00e0br7xs0vxvnp1cn: it depends on t_01hf7yat00e0br7xs0ey2qtvz7 (ready)
        • the queue is paused
          next: Resume it: drover queue resume

      Depends on
        t_01hf7yat00e0br7xs0ey2qtvz7  ready

        node box  can run it
      "
    `);
  });

  it("of a task that does not exist fail with what to do", async () => {
    const cli = createCli();

    const shown = await cli.run("task", "show", "t_000000000000000000000000zz");

    expect(shown).toMatchInlineSnapshot(`
      {
        "exit": 1,
        "stderr": "drover: show the task: there is no task t_000000000000000000000000zz
        next: List tasks with: drover task list
      ",
        "stdout": "",
      }
    `);
  });
});

describe("task cancel and retry", () => {
  it("go on with the others when one cannot be done, and end with failure", async () => {
    const cli = createCli();
    const one = await submit(cli.harness, { title: "one" });
    const two = await submit(cli.harness, { title: "two" });

    const cancelled = await cli.run("task", "cancel", one, "nonsense", two, "--reason", "not needed");

    expect(cancelled.exit).toBe(1);
    expect(cancelled.stdout).toBe(`${one} cancelled: not needed (one)\n${two} cancelled: not needed (two)\n`);
    expect(cancelled.stderr).toContain('cancel nonsense: "nonsense" is not the id of a task');
    const retried = await cli.run("task", "retry", one, two, "--json");
    const lines = parsedLines(retried.stdout);
    expect(lines).toMatchObject([
      { id: one, state: "ready" },
      { id: two, state: "ready" },
    ]);
  });
});
