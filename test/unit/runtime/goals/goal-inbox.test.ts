import { existsSync, lutimesSync, readdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { err, type Result, retryable, silentLogger } from "#base";
import type { GoalReceipt } from "#goals";
import { GoalInbox } from "../../../../src/runtime/goals/goal-inbox.ts";
import { submissionsTo } from "../../../../src/runtime/goals/open-goals.ts";
import { memoryGoals } from "../../../support/goals.ts";
import { must } from "../../../support/opened-stores.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { createHarness } from "../../api/api-harness.ts";

const GREET = "# Greet in French\n\nSay it nicely.\n";

const makeFolder = temporaryFolders();

/** A folder that is looked at, and the goals that came of it. */
function inbox() {
  const folder = makeFolder();
  const { queue, clock, ids, node } = createHarness();
  const goals = memoryGoals({ queue: queue.store, clock, ids, node });
  const submissions = { ...submissionsTo(goals) };
  const parts = { folder, submissions, clock, logger: silentLogger };
  const put = (name: string, text: string, ageMs = 10_000): void => {
    writeFileSync(join(folder, name), text);
    const at = (clock.nowMs() - ageMs) / 1_000;
    utimesSync(join(folder, name), at, at);
  };
  return {
    folder,
    clock,
    submissions,
    put,
    look: () => new GoalInbox(parts).look(),
    goals: async () => must(await goals.store.list({}, 10)).items,
    names: (within = "") => (existsSync(join(folder, within)) ? readdirSync(join(folder, within)).sort() : []),
  };
}

describe("a folder of goals", () => {
  it("has its files become goals, whatever their form, and keeps each under the id of its goal", async () => {
    const { put, look, goals, names } = inbox();
    put("greet.md", GREET);
    put("wave.toml", 'title = "Wave"\npriority = "high"\n');
    put("bow.XML", "<goal><title>Bow</title></goal>");

    await look();

    const made = await goals();
    expect(made.map(({ order }) => `${order.title} by ${order.channel}`).sort()).toEqual([
      "Bow by file",
      "Greet in French by file",
      "Wave by file",
    ]);
    const idOf = (title: string) => made.find(({ order }) => order.title === title)?.id;
    expect(names("done")).toEqual([
      `bow.${idOf("Bow")}.XML`,
      `greet.${idOf("Greet in French")}.md`,
      `wave.${idOf("Wave")}.toml`,
    ]);
    expect(names()).toEqual(["done"]);
  });

  it("moves what is no goal aside, with the reason beside it, and goes on with the others", async () => {
    const { folder, put, look, goals, names } = inbox();
    put("a.toml", "title = ");
    put("b.md", "---\npriority: soon\n---\n\n# Greet\n");
    put("c.xml", "<task><title>one</title></task>");
    writeFileSync(join(folder, "d.md"), new Uint8Array([0x23, 0x20, 0xff]));
    utimesSync(join(folder, "d.md"), 1, 1);
    put("e.md", GREET);

    await look();

    const reason = (name: string): string => readFileSync(join(folder, "failed", `${name}.reason.txt`), "utf8");
    expect(await goals()).toHaveLength(1);
    expect(names()).toEqual(["done", "failed"]);
    expect(reason("a.toml")).toContain("it is not valid TOML");
    expect(reason("b.md")).toContain("priority");
    expect(reason("c.xml")).toContain("it is a document of a task, and no goal");
    expect(reason("d.md")).toContain("no text in UTF-8");
    expect(names("failed")).toContain("a.toml");
  });

  it("leaves alone what is being written, hidden, linked, or of another form", async () => {
    const { folder, clock, put, look, goals, names } = inbox();
    put("new.md", GREET, 1_000);
    put(".hidden.md", GREET);
    put("notes.txt", GREET);
    symlinkSync("/etc/hostname", join(folder, "link.md"));
    lutimesSync(join(folder, "link.md"), 1, 1);

    await look();
    const before = await goals();
    clock.advance(1_000);
    await look();

    expect(before).toEqual([]);
    expect(await goals()).toHaveLength(1);
    expect(names()).toEqual([".hidden.md", "done", "link.md", "notes.txt"]);
  });

  it("makes one goal of a file that is there again, as after a crash before it was moved; another of another text", async () => {
    const { put, look, goals } = inbox();
    for (const text of [GREET, GREET, `${GREET}\nTwice.\n`]) {
      put("greet.md", text);
      await look();
    }

    expect(await goals()).toHaveLength(2);
  });

  it("keeps files while goals cannot be taken, and takes them when they can", async () => {
    const { submissions, put, look, goals, names } = inbox();
    const { submit } = submissions;
    const away = async (): Promise<Result<GoalReceipt>> => err(retryable("unavailable", "the hub is away"));
    put("greet.md", GREET);

    submissions.submit = away;
    await look();
    const kept = names();
    submissions.submit = submit;
    await look();

    expect(kept).toEqual(["greet.md"]);
    expect(await goals()).toHaveLength(1);
  });
});
