import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { COMMANDS, renderCommandReference } from "#cli";
import { widthOf } from "../../../src/cli/output/text.ts";
import { createCli, parsed } from "./cli-harness.ts";

describe("help", () => {
  it("of a command shows its arguments, options and examples", async () => {
    const cli = createCli({ columns: 80, env: { NO_COLOR: "1" } });

    expect((await cli.run("help", "task", "wait")).stdout).toMatchInlineSnapshot(`
      "Wait until tasks have ended, showing their progress.

      Ends with exit code 0 when all are done, 1 when any is dead or cancelled, 5 when
      the time is over. A node that is restarted meanwhile is waited for.

      Usage
        drover task wait [OPTIONS] ID…

      Arguments
        ID  Ids of tasks

      Options
        --timeout TIME  Give up waiting after this time, with exit code 5

      Options of every command
        --json         Print one JSON document, or one per line for streams, as the
                       API gives it
        --config FILE  Configuration file (or DROVER_CONFIG)
        --state DIR    State directory of the node (or DROVER_STATE)
        --url URL      Address of the node's API (default: from the state directory;
                       or DROVER_URL)
        --no-color     Do not colour the output; NO_COLOR does the same
        -q, --quiet    Do not print progress and hints

      Examples
        drover task wait $ID --timeout 10m
            Wait ten minutes at most
      "
    `);
    expect((await cli.run("task", "wait", "--help")).stdout).toBe((await cli.run("help", "task", "wait")).stdout);
  });

  it("of a group lists its commands, and of nothing all of them but the hidden ones", async () => {
    const cli = createCli();

    const all = (await cli.run("help")).stdout;
    const group = (await cli.run("dead", "--help")).stdout;

    const shown = (page: string) => COMMANDS.filter(({ summary }) => page.includes(summary)).map(({ name }) => name);
    expect(shown(all)).toEqual(COMMANDS.filter(({ hidden }) => !hidden).map(({ name }) => name));
    expect(shown(group)).toEqual(["dead list", "dead show", "dead redrive", "dead drop"]);
    expect((await cli.run()).stdout).toBe(all);
  });

  it("of a command that does not exist is a usage error with a suggestion", async () => {
    const outcome = await createCli().run("help", "taks", "list");

    expect(outcome).toMatchObject({ exit: 2, stdout: "" });
    expect(outcome.stderr).toContain("Did you mean task list?");
  });

  it.each([60, 80, 140])("fits %d columns", async (columns) => {
    const cli = createCli({ columns, env: { NO_COLOR: "1" } });

    const tooWide: string[] = [];
    for (const { name } of COMMANDS) {
      const { stdout } = await cli.run("help", ...name.split(" "));
      // What one types stands on a line of its own, however long it is.
      const prose = stdout.split("\n").filter((line) => !/^ {2}(-|.*drover )/.test(line));
      tooWide.push(...prose.filter((line) => widthOf(line) > columns));
    }
    expect(tooWide).toEqual([]);
  });

  it.each(["help", "version"])("(%s) ends quietly when its reader has seen enough", (word) => {
    const main = new URL("../../../src/main.ts", import.meta.url).pathname;

    // The reader has gone before the first byte is written.
    const line = `exec 3> >(:); wait $!; '${process.execPath}' '${main}' ${word} 2>&1 >&3 3>&-`;
    const errors = execFileSync("bash", ["-c", line], { encoding: "utf8" });

    expect(errors).toBe("");
  });

  it("of the version is short, and a document with --json", async () => {
    const cli = createCli();

    expect((await cli.run("--version")).stdout).toBe("drover 1.2.3 (0123abc, linux-x64)\n");
    expect(parsed((await cli.run("version", "--json")).stdout)).toEqual({
      version: "1.2.3",
      commit: "0123abc",
      target: "linux-x64",
    });
  });
});

describe("usage errors", () => {
  it("go to the standard error with the page to look at, as a document with --json", async () => {
    const cli = createCli();

    expect(await cli.run("task", "shwo", "t_1")).toMatchInlineSnapshot(`
      {
        "exit": 2,
        "stderr": "drover: unknown command task shwo
        next: Did you mean task show? (see: drover help task)
      ",
        "stdout": "",
      }
    `);
    const json = await cli.run("task", "add", "--lnae", "high", "--json");
    expect(json).toMatchObject({ exit: 2, stdout: "" });
    expect(parsed(json.stderr)).toMatchObject({ code: "invalid", detail: "unknown option --lnae" });
  });
});

describe("completion", () => {
  it.each(["bash", "zsh"])("for %s is accepted by the shell's parser", async (shell) => {
    const { stdout } = await createCli().run("completion", shell);

    expect(() =>
      execFileSync("bash", ["-n"], { input: shell === "zsh" ? stdout.split("\n").slice(3).join("\n") : stdout }),
    ).not.toThrow();
  });

  it.each([
    [["drover", "st"], ["status"]],
    [["drover", "task", "e"], ["explain"]],
    [["drover", "--state", "/x", "task", "ca"], ["cancel"]],
    [["drover", "task", "add", "--lane", "b"], ["background"]],
    [
      ["drover", "task", "list", "d"],
      ["done", "dead"],
    ],
    [["drover", "task", "wait", "--t"], ["--timeout"]],
    [["drover", "status", "--js"], ["--json"]],
    [["drover", "completion", "f"], ["fish"]],
    [["drover", "task", "add", "--", "ma"], []],
    [["drover", "work"], []],
  ])("in bash of %j offers %j", async (words, offered) => {
    const { stdout } = await createCli().run("completion", "bash");
    const folder = mkdtempSync(join(tmpdir(), "drover-completion-"));
    try {
      const script = join(folder, "drover.bash");
      writeFileSync(script, stdout);
      const list = words.map((word) => `'${word}'`).join(" ");
      const ask = `source ${script}; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _drover; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const reply = execFileSync("bash", ["--norc", "-c", ask], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
      expect(reply.split("\n").filter((word) => word !== "")).toEqual(offered);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("for fish names every command and escapes what its quotes need", async () => {
    const { stdout } = await createCli().run("completion", "fish");

    for (const line of stdout.trim().split("\n")) expect(line).toMatch(/^(#|complete -c drover )/);
    const offered = COMMANDS.filter(({ name }) => new RegExp(`-a ${name.split(" ").at(-1)} -d`).test(stdout));
    expect(offered.map(({ name }) => name)).toEqual(COMMANDS.filter(({ hidden }) => !hidden).map(({ name }) => name));
    expect(stdout).toContain(String.raw`node\'s API`);
    const odd = stdout.split("\n").filter((line) => line.replace(/\\'/g, "").split("'").length % 2 === 0);
    expect(odd).toEqual([]);
  });

  it("for another shell is a usage error", async () => {
    expect(await createCli().run("completion", "tcsh")).toMatchObject({ exit: 2, stdout: "" });
  });
});

describe("the reference page", () => {
  it("is what the command table says", () => {
    const page = readFileSync(new URL("../../../docs/operations/commands.md", import.meta.url), "utf8");

    // After a change of the table: bun -e 'import("./src/cli/index.ts").then((cli) => Bun.write("docs/operations/commands.md", cli.renderCommandReference(cli.COMMANDS)))'
    expect(page).toBe(renderCommandReference(COMMANDS));
  });
});
