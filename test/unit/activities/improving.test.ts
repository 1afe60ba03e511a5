import { afterEach, describe, expect, test } from "vitest";
import { ok } from "#base";
import { type ImprovingOptions, ImprovingWorld, unavailable } from "../../support/improving-world.ts";
import { must } from "../../support/opened-stores.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const NOTE = ["TO", "DO"].join("");
const DEFECT = ["FIX", "ME"].join("");
const FILES = {
  "README.md": "x\n",
  LICENSE: "x\n",
  "CONTRIBUTING.md": "x\n",
  "package.json": '{"private": true, "scripts": {"test": "bun test"}}',
  "src/index.ts": `// ${DEFECT}: wrong for zero\nexport const half = (n: number): number => n / 2;\n`,
  "src/app.ts": `// ${NOTE}: more\nimport "./index.ts";\n`,
};
const DAY = 86_400_000;
const HOUR = 3_600_000;

const makeFolder = temporaryFolders();
let world: ImprovingWorld | undefined;
afterEach(() => world?.close());
const open = async (options: ImprovingOptions = {}, files: Readonly<Record<string, string>> = FILES) => {
  world = await ImprovingWorld.open(makeFolder(), files, options);
  return world;
};
const triesOf = ({ stores }: ImprovingWorld) =>
  must(stores.improvements.tries()).map(({ n, state, goal, files }) => ({ n, state, goal, files: files.join(" ") }));

describe("improving", () => {
  test("looks at a repository, keeps what it finds, and makes one goal of it that is proved by our own look and its tests", async () => {
    const shop = await open();

    await shop.improving().round(true);

    expect(
      must(shop.stores.improvements.findings({ limit: 10 })).map(({ kind, path, line }) => [kind, path, line]),
    ).toEqual(
      expect.arrayContaining([
        ["note", "src/index.ts", 1],
        ["note", "src/app.ts", 1],
      ]),
    );
    expect(shop.goals.submitted).toHaveLength(1);
    const goal = shop.goals.submitted[0];
    expect(goal).toMatchObject({ repository: "shop", channel: "improver", title: `note: ${DEFECT}: wrong for zero` });
    const [look, tests] = goal?.verify ?? [];
    expect(JSON.stringify(look)).toContain("--expect-gone");
    expect(tests).toMatchObject({ kind: "test_passes", command: ["npm", "run", "test"] });
    expect(must(shop.stores.improvements.lookedAtMs("scan"))).toBe(shop.clock.nowMs());
  });

  test("is done when nothing is awaited, and a second begin while it runs changes nothing", async () => {
    const shop = await open();
    const improving = shop.improving();

    improving.begin(0);
    improving.begin(0);
    await improving.stop();
    improving.begin(0);
    while (!improving.isDone) await new Promise((resolve) => setTimeout(resolve, 5));

    expect(shop.goals.submitted).toHaveLength(1);
    expect(triesOf(shop)).toEqual([{ n: 1, state: "working", goal: "g_1", files: "src/index.ts" }]);
  });

  test("killed between decision and goal, submits that very goal after the next start, and only once", async () => {
    const shop = await open();
    shop.goals.before = unavailable;
    await shop.improving().round(true);
    const decided = triesOf(shop);

    shop.goals.before = () => ok(undefined);
    await shop.restart();
    await shop.improving().round(true);
    await shop.restart();
    await shop.improving().round(true);

    expect(decided).toEqual([{ n: 1, state: "chosen", goal: null, files: "src/index.ts" }]);
    expect(triesOf(shop)).toEqual([{ n: 1, state: "working", goal: "g_1", files: "src/index.ts" }]);
    expect(shop.goals.submitted).toHaveLength(1);
  });

  test("killed after the goal was taken and before that was noted, ends with that one goal", async () => {
    const shop = await open();
    shop.goals.before = unavailable;
    await shop.improving().round(true);
    shop.goals.before = () => ok(undefined);
    const [first] = must(shop.stores.improvements.tries());
    await shop.goals.submit({ idempotencyKey: `improve:shop:${first?.fingerprint}:1` } as never);

    await shop.restart();
    await shop.improving().round(true);

    expect(triesOf(shop)).toEqual([{ n: 1, state: "working", goal: "g_1", files: "src/index.ts" }]);
    expect(shop.goals.submitted).toHaveLength(1);
  });

  test("leaves a file alone that it touched, and never tries again what was taken back twice", async () => {
    const shop = await open({ rules: { coolDownMs: DAY, backOffMs: 1 } });
    const improving = shop.improving();
    await improving.round(true);
    const [first] = must(shop.stores.improvements.tries());

    for (let n = 1; n <= 4; n += 1) {
      const working = must(shop.stores.improvements.tries()).filter(({ state }) => state === "working");
      for (const { goal, path } of working) {
        if (path === "src/index.ts") shop.reverted.add(goal ?? "");
        else shop.goals.ends.set(goal ?? "", { state: "complete", detail: "merged" });
      }
      shop.clock.advance(2 * DAY);
      await improving.round(true);
    }

    const own = must(shop.stores.improvements.tries()).filter(({ fingerprint }) => fingerprint === first?.fingerprint);
    expect(own.map(({ state }) => state)).toEqual(["reverted", "reverted"]);
    expect(own[0]?.files).toEqual(["src/index.ts", "src/touched.ts"]);
  });

  test("notes what is gone, what came back, and keeps what a person dismissed", async () => {
    const shop = await open({ rules: { atOnce: 0 } });
    const improving = shop.improving();
    const states = () =>
      Object.fromEntries(
        must(shop.stores.improvements.findings({ limit: 10 }))
          .filter(({ kind }) => kind === "note")
          .map(({ path, state, returns }) => [path, `${state} ${returns}`]),
      );
    await improving.round(true);
    const [wish] = must(shop.stores.improvements.findings({ limit: 10 })).filter(({ path }) => path === "src/app.ts");
    must(await shop.stores.improvements.dismiss(wish?.fingerprint ?? "", "it stays"));

    shop.folder.commit({ "src/index.ts": "export const half = (n: number): number => n / 2;\n" });
    shop.clock.advance(1);
    await improving.round(true);
    const gone = states();
    shop.folder.commit({ "src/index.ts": FILES["src/index.ts"] });
    shop.clock.advance(1);
    await improving.round(true);

    expect(gone).toEqual({ "src/index.ts": "gone 0", "src/app.ts": "dismissed 0" });
    expect(states()).toEqual({ "src/index.ts": "open 1", "src/app.ts": "dismissed 0" });
  });

  test("runs the repository's own commands as tasks, and reads places out of what they say", async () => {
    const shop = await open({ runsTools: true, rules: { atOnce: 0 } });
    const improving = shop.improving();

    const waits = await improving.round(true);
    const [task] = shop.tasks.submitted;
    shop.tasks.says("t_1", "src/index.ts:2:9: expected 2, got 1\n\ndrover-exit-code:1\n");
    const waitsStill = await improving.round(false);

    expect([waits, waitsStill]).toEqual([true, false]);
    expect(task).toMatchObject({ executor: "shell", repo: "shop", maxAttempts: 1 });
    expect(
      must(shop.stores.improvements.findings({ limit: 10 })).filter(({ source }) => source === "tool"),
    ).toMatchObject([{ kind: "failing-test", path: "src/index.ts", line: 2, severity: "high" }]);
  });

  test("runs the commands that a person registered in place of those that were found", async () => {
    const shop = await open({ runsTools: true, checks: { test: ["./verify", "all"] } });

    await shop.improving().round(true);

    expect(shop.tasks.submitted.map(({ title }) => title)).toEqual(["./verify all in shop"]);
    expect(shop.goals.submitted[0]?.verify[1]).toMatchObject({ kind: "test_passes", command: ["./verify", "all"] });
  });

  test("ends with a try that is done and a finding that is gone when its goal is complete and merged", async () => {
    const shop = await open({ rules: { atOnce: 1 } });
    const improving = shop.improving();
    await improving.round(true);
    const [first] = must(shop.stores.improvements.tries());

    shop.folder.commit({ "src/index.ts": "export const half = (n: number): number => n / 2;\n" });
    shop.goals.ends.set(first?.goal ?? "", { state: "complete", detail: "merged" });
    shop.clock.advance(60_000);
    await improving.round(true);

    expect(must(shop.stores.improvements.finding(first?.fingerprint ?? "")).state).toBe("gone");
    expect(
      must(shop.stores.improvements.tries()).find(({ n, path }) => n === 1 && path === "src/index.ts"),
    ).toMatchObject({
      state: "done",
      why: "merged",
    });
  });

  test("says plainly that a tool is not there, and takes nothing back for it", async () => {
    const shop = await open({ runsTools: true, rules: { atOnce: 0 } });
    const improving = shop.improving();
    await improving.round(true);
    shop.tasks.says("t_1", "error: src/index.ts:2:9: wrong\ndrover-exit-code:1\n");
    await improving.round(false);

    shop.folder.commit({ "src/more.ts": "export const more = 1;\n" });
    shop.clock.advance(1);
    await improving.round(true);
    shop.tasks.says("t_2", "sh: 1: npm: not found\ndrover-exit-code:127\n");
    await improving.round(false);

    const [latest] = must(shop.stores.improvements.questions("tool-scan"));
    expect(latest).toMatchObject({ state: "given-up", note: "npm run test: npm, or what it starts, is not installed" });
    expect(
      must(shop.stores.improvements.findings({ limit: 10 })).filter(({ source }) => source === "tool"),
    ).toMatchObject([{ state: "open" }]);
  });

  test("leaves a command alone that could not run, twice as long each time, whatever is committed meanwhile", async () => {
    const shop = await open({ runsTools: true, rules: { atOnce: 0 } });
    const improving = shop.improving();
    const absent = "sh: 1: npm: not found\ndrover-exit-code:127\n";
    let commits = 0;
    const look = async (laterMs: number) => {
      commits += 1;
      shop.folder.commit({ "src/more.ts": `export const more = ${commits};\n` });
      shop.clock.advance(laterMs);
      await improving.round(true);
      const asked = shop.tasks.submitted.length;
      shop.tasks.says(`t_${asked}`, absent);
      await improving.round(false);
      return asked;
    };
    const asked = [0, HOUR - 1, 1, 2 * HOUR - 1, 1].map((laterMs) => () => look(laterMs));

    const counts: number[] = [];
    for (const next of asked) counts.push(await next());

    expect(counts).toEqual([1, 1, 2, 2, 3]);
  });

  test("asks a model once for a state, tells it what was wrong, and refuses places that are not there", async () => {
    const shop = await open({ modelPerDay: 5, rules: { atOnce: 0 } });
    const improving = shop.improving();
    const found = (line: number, quote: string, path = "src/index.ts"): object => ({
      path,
      line,
      quote,
      severity: "high",
      effort: "small",
      title: "half of an odd number is none",
      why: "n / 2 of 1 is 0.5",
    });

    await improving.round(true);
    shop.tasks.says("t_1", "I think it is fine.");
    await improving.round(false);
    const again = shop.tasks.submitted[1]?.["prompt"];
    const findings = [found(2, "n / 2;\n", "src/absent.ts"), found(9, "n / 2;"), found(1, "n => n / 2 ")];
    shop.tasks.says("t_2", JSON.stringify({ findings: [...findings, found(3, "(n: number): number => n / 2")] }));
    await improving.round(false);
    await improving.round(true);

    expect(again).toContain("the reply holds no JSON object");
    expect(
      must(shop.stores.improvements.findings({ limit: 10 })).filter(({ source }) => source === "model"),
    ).toMatchObject([{ path: "src/index.ts", line: 2, kind: "model" }]);
    expect(must(shop.stores.improvements.questions("model-scan"))).toMatchObject([
      { state: "answered", asks: 2, note: "1 believed, 3 refused" },
    ]);
    expect(shop.tasks.submitted).toHaveLength(2);
    shop.folder.commit({ "src/index.ts": "export const half = 1;\n" });
    shop.budgetLeft = 0;
    shop.clock.advance(1);
    await improving.round(true);
    expect(
      must(shop.stores.improvements.findings({ states: ["gone"], limit: 10 })).map(({ source }) => source),
    ).toContain("model");
    expect(shop.tasks.submitted).toHaveLength(2);
  });
});
