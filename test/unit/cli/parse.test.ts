import { describe, expect, it } from "vitest";
import { COMMANDS } from "../../../src/cli/commands.ts";
import { type Parsed, parseArguments } from "../../../src/cli/parsing/parse.ts";

function parse(line: readonly string[], env: Record<string, string> = {}): Parsed {
  const parsed = parseArguments(line, COMMANDS, env);
  if (!parsed.ok) throw new Error(`${parsed.error.message} / ${parsed.error.remedy}`);
  return parsed.value;
}

function running(line: readonly string[], env: Record<string, string> = {}) {
  const parsed = parse(line, env);
  if (parsed.kind !== "run") throw new Error(`parsed as ${parsed.kind}`);
  return {
    name: parsed.command.name,
    args: parsed.raw.args,
    rest: parsed.raw.rest,
    texts: parsed.raw.texts,
    globals: parsed.raw.globals,
  };
}

function fault(line: readonly string[]) {
  const parsed = parseArguments(line, COMMANDS, {});
  if (parsed.ok) {
    if (parsed.value.kind !== "run") throw new Error(`parsed as ${parsed.value.kind}`);
    const prepared = parsed.value.command.prepare(parsed.value.raw);
    if (prepared.ok) throw new Error("accepted");
    return prepared.error;
  }
  return parsed.error;
}

describe("command words", () => {
  it.each([
    [["status"], "status", []],
    [["task", "list", "ready", "running"], "task list", ["ready", "running"]],
    [["queue"], "queue show", []],
    [["queue", "pause"], "queue pause", []],
    [["--state", "/x", "task", "show", "t_1"], "task show", ["t_1"]],
    [["task", "--json", "show", "t_1"], "task show", ["t_1"]],
    [["--url=http://h:1", "run", "a.yaml", "b.toml"], "run", ["a.yaml", "b.toml"]],
    [["help", "task", "add"], "help", ["task", "add"]],
    [["restore", "--", "-strange-name"], "restore", ["-strange-name"]],
  ])("%j is the command %s with %j", (line, name, args) => {
    const { name: found, args: foundArgs } = running(line);

    expect(found).toBe(name);
    expect(foundArgs).toEqual(args);
  });

  it("what follows -- is the task's command, whatever it looks like", () => {
    const { rest, args } = running(["task", "add", "--wait", "--", "make", "--help", "-j", "--", "x"]);

    expect(rest).toEqual(["make", "--help", "-j", "--", "x"]);
    expect(args).toEqual([]);
  });

  it("no words ask for help, and so does --help anywhere before --", () => {
    expect(parse([]).kind).toBe("help");
    expect(parse(["task", "add", "--help"])).toMatchObject({ kind: "help", topic: ["task", "add"] });
    expect(parse(["task", "-h"])).toMatchObject({ kind: "help", topic: ["task"] });
    expect(parse(["--version"]).kind).toBe("version");
    expect(parse(["status", "-V"]).kind).toBe("version");
  });
});

describe("options", () => {
  it("are read as --name value and as --name=value, repeated ones in their order", () => {
    const { texts } = running(["task", "add", "--verify-file", "a", "--verify-file=b", "--lane", "high", "--", "x"]);

    expect(texts.get("verifyFile")).toEqual(["a", "b"]);
    expect(texts.get("lane")).toEqual(["high"]);
  });

  it("of every command stand before or after the command, and variables stand in for them", () => {
    const flags = running(["--json", "status", "--state", "/here", "-q"], {
      DROVER_URL: "http://a:1",
      DROVER_STATE: "/there",
    });
    const empty = running(["status"], { DROVER_URL: "", DROVER_STATE: "/there" });

    expect(flags.globals).toEqual({
      json: true,
      config: undefined,
      state: "/here",
      url: "http://a:1",
      noColor: false,
      quiet: true,
    });
    expect(empty.globals).toMatchObject({ url: undefined, state: "/there" });
  });
});

describe("faults of the command line", () => {
  it.each([
    [["staus"], "unknown command staus", "Did you mean status?"],
    [["task", "lst"], "unknown command task lst", "Did you mean task list?"],
    [["tsak", "list"], "unknown command tsak", "Did you mean task?"],
    [["task"], "task needs a second word", "Use one of: add, list, show, explain, wait, cancel, retry, logs, result"],
    [["queue", "puase"], "unknown command queue puase", "Did you mean queue pause?"],
    [["frobnicate"], "unknown command frobnicate", undefined],
    [["status", "--jsn"], "unknown option --jsn", "Did you mean --json?"],
    [["task", "add", "--verfy-file", "x"], "unknown option --verfy-file", "Did you mean --verify-file?"],
    [["status", "-x"], "unknown option -x", undefined],
    [["task", "add", "--title"], "--title needs a value", "Write --title TEXT"],
    [["task", "add", "--title", "--wait"], "--title needs a value", "Write --title TEXT"],
    [["task", "add", "--title=a", "--title=b"], "--title is given twice", "Give it once"],
    [["status", "--json=yes"], "--json takes no value", "Write --json alone"],
    [["task", "show"], "task show needs ID", "Id of a task"],
    [["task", "show", "t_1", "t_2"], 'task show does not take "t_2"', undefined],
    [["task", "add", "make"], 'task add does not take "make"', "Put -- in front of COMMAND ARG…"],
    [
      ["task", "add", "--lane", "hgih", "--", "x"],
      '--lane must be one of critical, high, normal, low, background, not "hgih"',
      undefined,
    ],
    [["task", "add", "--max-attempts", "0"], '--max-attempts must be a whole number from 1 to 100, not "0"', undefined],
    [["task", "add", "--label", "a=1", "--label", "a=2"], '--label names "a" twice', undefined],
    [
      ["task", "wait", "t_1", "--timeout", "soon"],
      '--timeout "soon" is not a duration such as 30s, 5m or 1h30m',
      undefined,
    ],
    [["task", "add", "--title="], "--title must not be empty", undefined],
    [["goal", "show", ""], "ID must not be empty", "Id of a goal"],
    [["alert", "ack", "1", ""], "ID must not be empty", "As drover alert list shows it"],
    [
      ["fsm", "force", "healin"],
      'STATE must be one of resting, executing, improving, contemplating, healing, not "healin"',
      "Did you mean healing?",
    ],
    [["key", "set", "k", "--rate", "-1"], "--rate needs a value", "Write --rate N"],
    [
      ["bottlenecks", "--since", "1 day"],
      '--since must be a number with s, m, h or d, such as 24h, not "1 day"',
      undefined,
    ],
  ])("%j: %s", (line, message, remedy) => {
    const found = fault(line);

    expect(found.message).toBe(message);
    expect(found.remedy).toBe(remedy);
  });
});

describe("the command table", () => {
  it("names each command once, and no option of a command hides one of every command", () => {
    const names = COMMANDS.map(({ name }) => name);
    const hiding = COMMANDS.flatMap(({ name, options }) =>
      Object.keys(options)
        .filter((key) => ["json", "config", "state", "url", "noColor", "quiet", "help", "version"].includes(key))
        .map((key) => `${name} ${key}`),
    );

    expect(new Set(names).size).toBe(names.length);
    expect(hiding).toEqual([]);
  });

  it("holds every command of the contract that this drover has", () => {
    const names = COMMANDS.map(({ name }) => name);
    const tasks = ["add", "list", "show", "explain", "wait", "cancel", "retry", "logs"].map((word) => `task ${word}`);
    const dead = ["list", "show", "redrive", "drop"].map((word) => `dead ${word}`);
    const others = [
      "up",
      "down",
      "run",
      "status",
      "bottlenecks",
      "metrics",
      "events",
      "node list",
      "backup",
      "restore",
    ];
    const rest = ["config show", "config check", "version", "completion", "help", "queue show", "queue drain"];

    expect(names).toEqual(expect.arrayContaining([...tasks, ...dead, ...others, ...rest]));
  });
});
