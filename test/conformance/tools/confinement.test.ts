import { linkSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FileLedger } from "../../../src/execution/tools/file-ledger.ts";
import type { ConfinementMethod } from "../../../src/execution/tools/io/confined-root.ts";
import { ToolBox } from "../../../src/execution/tools/io/tool-box.ts";
import { WorkspaceFiles } from "../../../src/execution/tools/io/workspace-files.ts";
import { raceCheckedReads, raceTools } from "../../crash/openat2-race/race.ts";
import { realClock } from "../../support/real-clock.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { faultOf, workbench } from "./tool-box-harness.ts";

/** Two chains of 200 folders, walked by tools: seconds on a busy machine. */
const DEEP_LIMIT_MS = 30_000;

const folder = temporaryFolders();
const methods: readonly ConfinementMethod[] =
  process.platform === "linux" ? ["openat2", "walk", "checked"] : ["checked"];

describe.each(methods)("file tools confined by %s", (method) => {
  it("use the method that was asked for", () => {
    const { box, call } = workbench(folder(), method);

    expect(box.allowed).not.toContain("run_command");
    return expect(call("read_file", { path: "none" })).resolves.toMatchObject({ kind: "fault", code: "notFound" });
  });

  it("neither read nor write through a link to a file outside", async () => {
    const { call, workspace, outside } = workbench(folder(), method);
    symlinkSync("../outside/secret.txt", join(workspace, "relative"));
    symlinkSync(join(outside, "secret.txt"), join(workspace, "absolute"));

    for (const path of ["relative", "absolute"]) {
      expect(await call("read_file", { path })).toMatchObject({ kind: "fault", code: "refused" });
      expect(await call("search_files", { path, pattern: "secret" })).toMatchObject({ kind: "fault" });
      expect(faultOf(await call("write_file", { path, content: "x" }))).toContain("is a symbolic link to");
      expect(faultOf(await call("edit_file", { path, old_text: "the", new_text: "x" }))).toContain("symbolic link");
    }
    expect(readFileSync(join(outside, "secret.txt"), "utf8")).toBe("the secret");
  });

  it("neither list, search, read nor write through a link to a folder outside", async () => {
    const { call, workspace, outside } = workbench(folder(), method);
    symlinkSync("../outside", join(workspace, "door"));

    expect(await call("list_directory", { path: "door" })).toMatchObject({ kind: "fault", code: "refused" });
    expect(await call("search_files", { path: "door", pattern: "secret" })).toMatchObject({ kind: "fault" });
    expect(await call("search_files", { pattern: "secret" })).toMatchObject({ kind: "searchFound", matches: [] });
    expect(await call("read_file", { path: "door/secret.txt" })).toMatchObject({ kind: "fault", code: "refused" });
    expect(faultOf(await call("write_file", { path: "door/new.txt", content: "x" }))).toMatch(/^refused: door/);
    expect(faultOf(await call("write_file", { path: "door/sub/new.txt", content: "x" }))).toMatch(/^refused: /);
    expect(readdirSync(outside)).toEqual(["secret.txt"]);
  });

  it(
    "refuse a path too long to open, and search and list what lies deeper than a path can name without a fault",
    async () => {
      const { call, workspace, put } = workbench(folder(), method);
      const steps = Array.from({ length: 200 }, () => "d".repeat(10));
      const lower = join(folder(), "lower");
      for (const one of [join(workspace, "deep"), lower]) mkdirSync(join(one, ...steps), { recursive: true });
      renameSync(lower, join(workspace, "deep", ...steps, "lower"));
      put("near.txt", "needle");
      const path = ["deep", ...steps, "lower", ...steps, "new.txt"].join("/");

      expect(faultOf(await call("write_file", { path, content: "x" }))).toContain("longer than 4096 bytes");
      expect(faultOf(await call("read_file", { path }))).toContain("longer than 4096 bytes");
      expect(await call("search_files", { pattern: "needle" })).toMatchObject({ matches: [{ path: "near.txt" }] });
      expect(await call("list_directory", { path: ["deep", ...steps].join("/") })).toMatchObject({
        kind: "directoryListed",
      });
    },
    DEEP_LIMIT_MS,
  );

  it("do not write to git's folder, by no name and through no link", async () => {
    const { call, workspace, put } = workbench(folder(), method);
    put(".git/config", "[core]\n");
    put("sub/.git/config", "[core]\n");
    symlinkSync(".git", join(workspace, "alias"));

    for (const path of [
      ".git/config",
      ".git/hooks/pre-commit",
      "sub/.git/config",
      "./.git//config",
      "a/../.git/config",
      ".GIT/x",
    ]) {
      expect(await call("write_file", { path, content: "x" })).toMatchObject({ kind: "fault", code: "refused" });
    }
    expect(await call("edit_file", { path: "alias/config", old_text: "core", new_text: "x" })).toMatchObject({
      code: "refused",
    });
    expect(await call("write_file", { path: "alias/hooks/pre-commit", content: "x" })).toMatchObject({
      code: "refused",
    });
    expect(readFileSync(join(workspace, ".git/config"), "utf8")).toBe("[core]\n");
    expect(readdirSync(join(workspace, ".git"))).toEqual(["config"]);
  });

  it("do not change a file with several names, which may lie outside", async () => {
    const { call, workspace, outside } = workbench(folder(), method);
    linkSync(join(outside, "secret.txt"), join(workspace, "twin"));

    expect(faultOf(await call("edit_file", { path: "twin", old_text: "the", new_text: "a" }))).toMatch(
      /^refused: twin has 2 names/,
    );
    expect(faultOf(await call("write_file", { path: "twin", content: "a" }))).toMatch(/^refused: twin has 2 names/);
    expect(readFileSync(join(outside, "secret.txt"), "utf8")).toBe("the secret");
  });

  it("answer at once for pipes, sockets and links to endless devices", async () => {
    const { call, workspace } = workbench(folder(), method);
    Bun.spawnSync(["mkfifo", join(workspace, "pipe")]);
    symlinkSync("/dev/zero", join(workspace, "endless"));
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(join(workspace, "socket"), resolve);
    });

    for (const path of ["pipe", "socket", "endless"]) {
      expect(await call("read_file", { path })).toMatchObject({ kind: "fault", code: "refused" });
      expect(await call("write_file", { path, content: "x" })).toMatchObject({ kind: "fault", code: "refused" });
      expect(await call("edit_file", { path, old_text: "x", new_text: "y" })).toMatchObject({
        kind: "fault",
        code: "refused",
      });
    }
    expect(await call("search_files", { pattern: "x" })).toMatchObject({ kind: "searchFound", matches: [] });
    expect(await call("list_directory", {})).toMatchObject({
      entries: [
        { path: "endless", type: "link" },
        { path: "pipe", type: "other" },
        { path: "socket", type: "other" },
      ],
    });
    expect(lstatSync(join(workspace, "pipe")).isFIFO()).toBe(true);
    server.close();
  });

  it("say in words why a path is none", async () => {
    const { call, workspace, put } = workbench(folder(), method);
    put("file.txt", "x");
    mkdirSync(join(workspace, "folder"));

    expect(faultOf(await call("read_file", { path: "../outside/secret.txt" }))).toMatch(
      /^refused: .* is outside the workspace/,
    );
    expect(faultOf(await call("read_file", { path: "folder" }))).toBe(
      "wrongKind: folder is a folder | Use list_directory, or name a file in it",
    );
    expect(faultOf(await call("read_file", { path: "file.txt/x" }))).toMatch(
      /^notFound: file.txt\/x: a part of this path/,
    );
    expect(faultOf(await call("read_file", { path: "flie.txt" }))).toBe(
      "notFound: flie.txt does not exist | Perhaps file.txt is meant",
    );
    expect(faultOf(await call("list_directory", { path: "file.txt" }))).toMatch(/^wrongKind: file.txt is a file/);
    expect(faultOf(await call("list_directory", { path: "none" }))).toMatch(/^notFound: none does not exist/);
    expect(faultOf(await call("write_file", { path: "folder", content: "x" }))).toMatch(
      /^wrongKind: folder is a folder/,
    );
    expect(faultOf(await call("write_file", { path: "new/", content: "x" }))).toMatch(
      /^badArguments: new\/ names a folder/,
    );
    expect(faultOf(await call("write_file", { path: "file.txt/x", content: "x" }))).toMatch(/^notFound: /);
    expect(faultOf(await call("read_file", { path: "a\0b" }))).toMatch(/^badArguments: .*NUL/);
  });

  it("keep a file's permissions without set-user-id, and make new folders on the way", async () => {
    const { call, workspace, put } = workbench(folder(), method);
    const script = put("run.sh", "#!/bin/sh\necho old\n");
    Bun.spawnSync(["chmod", "4755", script]);

    expect(await call("edit_file", { path: "run.sh", old_text: "old", new_text: "new" })).toMatchObject({
      kind: "fileEdited",
    });
    expect(await call("write_file", { path: "a/b/c.txt", content: "deep" })).toMatchObject({ change: "created" });

    expect(statSync(script).mode & 0o7777).toBe(0o755);
    expect(readFileSync(join(workspace, "a/b/c.txt"), "utf8")).toBe("deep");
    expect(readdirSync(workspace).toSorted()).toEqual(["a", "run.sh"]);
  });

  it.runIf(process.getuid?.() === 0)(
    "give what root makes to the owner of the workspace, and show nobody else's files",
    async () => {
      const { call, workspace, outside, put } = workbench(folder(), method);
      put("mine.txt", "x");
      linkSync(join(outside, "secret.txt"), join(workspace, "planted"));
      Bun.spawnSync(["chown", "-R", "65534:65534", join(workspace, "mine.txt")]);
      Bun.spawnSync(["chown", "65534:65534", workspace]);
      const owned = workbenchAgain(workspace, method);

      await owned("write_file", { path: "deep/new.txt", content: "y" });
      await owned("edit_file", { path: "mine.txt", old_text: "x", new_text: "z" });

      for (const path of ["deep", "deep/new.txt", "mine.txt"]) expect(statSync(join(workspace, path)).uid).toBe(65_534);
      expect(faultOf(await owned("read_file", { path: "planted" }))).toMatch(/^refused: planted is a hard link/);
      expect((await call("read_file", { path: "deep/new.txt" })).kind).toBe("fileRead");
    },
  );
});

/** A second box on the same workspace, which sees its owner of now. */
function workbenchAgain(workspace: string, method: ConfinementMethod): ReturnType<typeof workbench>["call"] {
  const files = WorkspaceFiles.open(workspace, method);
  if (!files.ok) throw new Error(files.error.message);
  const box = new ToolBox({ files: files.value, ledger: new FileLedger(), clock: realClock });
  return (name, args) => box.call({ id: "1", name, arguments: args }, new AbortController().signal);
}

describe.runIf(process.platform === "linux")("links inside the workspace", () => {
  it("are followed for reading where the kernel confines, and refused where folders are opened one by one", async () => {
    for (const [method, kind] of [
      ["openat2", "fileRead"],
      ["walk", "fault"],
      ["checked", "fileRead"],
    ] as const) {
      const { call, workspace, put } = workbench(folder(), method);
      put("real/file.txt", "x");
      symlinkSync("real", join(workspace, "link"));

      expect((await call("read_file", { path: "link/file.txt" })).kind).toBe(kind);
      expect((await call("write_file", { path: "link/new.txt", content: "x" })).kind).toBe("fault");
    }
  });
});

describe.runIf(process.platform === "linux")("a folder that is exchanged for a link while tools work", () => {
  it("never leads them out, which it does with a path that is checked and then read", async () => {
    const kernel = await raceTools(4_000, "openat2");
    const walk = await raceTools(1_000, "walk");
    const control = await raceCheckedReads(20_000);

    expect(kernel.leaks + walk.leaks).toBe(0);
    expect(kernel.served).toBeGreaterThan(0);
    expect(kernel.refused).toBeGreaterThan(0);
    expect(control.leaks).toBeGreaterThan(0);
  });
});
