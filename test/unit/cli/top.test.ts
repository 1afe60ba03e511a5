import { describe, expect, it } from "vitest";
import { waitUntil } from "../../support/wait-until.ts";
import { submit } from "../api/api-harness.ts";
import { type Cli, containing, createCli, parsedLines } from "./cli-harness.ts";

const ENTER = "\u001b[?1049h";
const LEAVE = "\u001b[?25h\u001b[?1049l";
/** Before each frame. */
const HOME = "\u001b[H";

function frames(text: string): readonly string[] {
  return text.split(HOME).slice(2);
}

/** The simulated clock moves while the command runs, until `look` holds. */
async function advanceUntil(cli: Cli, what: string, look: () => boolean): Promise<void> {
  await waitUntil(what, () => {
    if (look()) return true;
    cli.harness.clock.advance(500);
    return false;
  });
}

describe("top", () => {
  it("draws frames on a screen of its own until Ctrl-C, and gives the old one back", async () => {
    const cli = createCli({ columns: 80, rows: 12, env: { NO_COLOR: "1" } });
    const { done, seen, interrupt } = cli.start("top");
    await waitUntil("the first frame", () => frames(seen.stdout()).length === 1);
    await submit(cli.harness, { title: "run the tests" });
    await cli.harness.claim();

    await advanceUntil(cli, "the task runs", () => seen.stdout().includes("run the tests"));
    interrupt();
    const { exit, stdout, stderr } = await done;

    expect({ exit, stderr }).toEqual({ exit: 0, stderr: "" });
    expect(stdout.startsWith(ENTER)).toBe(true);
    expect(stdout.endsWith(LEAVE)).toBe(true);
    for (const one of frames(stdout)) expect(one.split("\r\n").length).toBeLessThanOrEqual(12);
    expect(stdout).not.toMatch(/\u001b\[\d+m/);
  });

  it("is drawn at once in the new size when the window changes", async () => {
    const cli = createCli({ columns: 80, rows: 12 });
    const { done, seen, interrupt, resize } = cli.start("top");
    await waitUntil("the first frame", () => frames(seen.stdout()).length === 1);

    resize(20);
    interrupt();
    const { stdout } = await done;

    const lines = (frames(stdout)[1] ?? "").split("\r\n").map((line) => Bun.stripANSI(line));
    expect(frames(stdout)).toHaveLength(2);
    expect(Math.max(...lines.map((line) => line.length))).toBe(19);
  });

  it("keeps the screen while the node is away, says so, and goes on when it is back", async () => {
    let isAway = false;
    const cli: Cli = createCli({
      columns: 120,
      environment: {
        fetch: async (url, init) => {
          if (isAway) throw Object.assign(new TypeError("no"), { code: "ConnectionRefused" });
          return cli.harness.api.app.request(url, init, {});
        },
      },
    });
    const { done, seen, interrupt } = cli.start("top", "--interval", "500ms");
    await waitUntil("the first frame", () => frames(seen.stdout()).length === 1);

    isAway = true;
    await advanceUntil(cli, "the loss", () => seen.stdout().includes("connection refused"));
    cli.harness.clock.advance(120_000);
    isAway = false;
    await advanceUntil(cli, "the return", () => !(frames(seen.stdout()).at(-1) ?? "").includes("connection refused"));
    interrupt();

    expect((await done).exit).toBe(0);
  });

  it("prints one frame to a pipe, without any control sequence", async () => {
    const outcome = await createCli().run("top");

    expect(outcome).toMatchObject({ exit: 0, stderr: "" });
    expect(outcome.stdout).toContain("box is ready");
    expect(outcome.stdout).not.toContain("\u001b");
  });

  it("prints as many frames as asked for, one under the other where the terminal cannot be drawn on", async () => {
    const cli = createCli({ columns: 80, env: { TERM: "dumb" } });
    const { done, seen } = cli.start("top", "-n", "3");
    let isOver = false;
    void done.then(() => {
      isOver = true;
    });

    await advanceUntil(cli, "three frames", () => isOver);

    expect(seen.stdout().match(/^box is ready/gm)).toHaveLength(3);
    expect(seen.stdout()).not.toContain("\u001b");
  });

  it("prints a snapshot a line for programs, until whoever reads has left", async () => {
    const cli = createCli();
    const { done, seen, leave } = cli.start("top", "--json");
    let isOver = false;
    void done.then(() => {
      isOver = true;
    });

    await advanceUntil(cli, "two snapshots", () => seen.stdout().split("\n").length > 2);
    leave();
    await advanceUntil(cli, "its end", () => isOver);

    const [first, second] = parsedLines(seen.stdout());
    expect(first).toMatchObject({
      node: { name: "box" },
      queue: {},
      running: [],
      endpoints: [],
      breakers: [],
      nodes: [{}],
    });
    expect(Number(second?.["atMs"])).toBeGreaterThan(Number(first?.["atMs"]));
    expect((await done).exit).toBe(0);
  });

  it("for programs gives up on a node that stays away, with 3, and says nothing twice", async () => {
    let isAway = false;
    const cli: Cli = createCli({
      environment: {
        fetch: async (url, init) => {
          if (isAway) throw Object.assign(new TypeError("no"), { code: "ConnectionRefused" });
          return cli.harness.api.app.request(url, init, {});
        },
      },
    });
    const { done, seen } = cli.start("top", "--json");
    await waitUntil("a snapshot", () => seen.stdout() !== "");
    let isOver = false;
    void done.then(() => {
      isOver = true;
    });

    isAway = true;
    await advanceUntil(cli, "its end", () => isOver);

    const { exit, stdout, stderr } = await done;
    expect(exit).toBe(3);
    expect(parsedLines(stdout)).toHaveLength(1);
    expect(stderr.match(/trying again/g)).toHaveLength(1);
  });

  it("of a node that is not there ends with 3 and leaves the screen alone", async () => {
    const refuse = () => Promise.reject(Object.assign(new Error("no"), { code: "ECONNREFUSED" }));
    const outcome = await createCli({ columns: 80, environment: { fetch: refuse } }).run("top");

    expect(outcome).toMatchObject({ exit: 3, stdout: "", stderr: containing("connection refused") });
  });

  it.each(["0", "100ms", "2h", "x"])("refuses the interval %s", async (given) => {
    expect((await createCli().run("top", "--interval", given)).exit).toBe(2);
  });
});
