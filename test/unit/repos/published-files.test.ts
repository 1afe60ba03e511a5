import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { publishedFiles, repositoryRoot } from "#repos";

let root: string;
const git = (...args: readonly string[]): string =>
  execFileSync("git", ["-c", "user.name=A B", "-c", "user.email=a@example.com", ...args], {
    cwd: root,
    encoding: "utf8",
  });

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "drover-repos-")));
  git("init", "-q", "-b", "main");
  writeFileSync(join(root, "kept.txt"), "one\ntwo\nthree\n");
  writeFileSync(join(root, ".gitignore"), "ignored\n");
  git("add", ".");
  git("commit", "-q", "-m", "first");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("what a repository would publish", () => {
  test("its files: those that git knows or would add; links, binaries and what is ignored are not read", async () => {
    writeFileSync(join(root, "ignored"), "x");
    writeFileSync(join(root, "new.txt"), "n");
    writeFileSync(join(root, "picture"), "a\0b");
    symlinkSync("/etc/passwd", join(root, "link"));

    const files = await publishedFiles(root, { kind: "files" });

    expect(files).toMatchObject({
      ok: true,
      value: [
        { path: ".gitignore" },
        { path: "kept.txt", text: "one\ntwo\nthree\n" },
        { path: "new.txt" },
        { path: "picture", text: undefined },
      ],
    });
  });

  test("what is staged, as it is staged, with the lines that are new; also under unusual names", async () => {
    const odd = 'ä "b".txt';
    writeFileSync(join(root, "kept.txt"), "one\n2\nthree\n++ four\n");
    writeFileSync(join(root, odd), "x\n");
    git("add", ".");
    writeFileSync(join(root, "kept.txt"), "later\n");

    const files = await publishedFiles(root, { kind: "staged" });

    expect(files).toEqual({
      ok: true,
      value: [
        { path: "kept.txt", text: "one\n2\nthree\n++ four\n", bytes: 20, newLines: new Set([2, 4]) },
        { path: odd, text: "x\n", bytes: 2, newLines: new Set([1]) },
      ],
    });
  });

  test("what was committed since a revision, with the messages and who wrote them", async () => {
    mkdirSync(join(root, "src"));
    writeFileSync(join(root, "src/a.txt"), "a\n");
    git("add", ".");
    git("commit", "-q", "-m", "second, by hand");

    const files = await publishedFiles(root, { kind: "commits", base: "HEAD~1", head: "HEAD" });

    expect(files).toMatchObject({
      ok: true,
      value: [{ path: "src/a.txt" }, { path: "(commit messages)" }],
    });
    expect(JSON.stringify(files)).toContain("A B <a@example.com>");
    expect(JSON.stringify(files)).toContain("second, by hand");
  });

  test("a folder outside any repository, and a revision that is none, say so in git's words", async () => {
    const outside = await repositoryRoot("/");
    const nowhere = await publishedFiles(root, { kind: "commits", base: "nowhere", head: "HEAD" });

    expect([outside.ok, nowhere.ok]).toEqual([false, false]);
    expect(JSON.stringify(outside)).toContain("not a git repository");
    expect(JSON.stringify(nowhere)).toContain("nowhere is no revision");
  });

  test("a revision that looks like an option is none", async () => {
    expect(await publishedFiles(root, { kind: "commits", base: "--output=/tmp/x", head: "HEAD" })).toMatchObject({
      ok: false,
    });
  });
});
