import {
  chmodSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SimulatedClock } from "#base";
import { FileLedger } from "../../../src/execution/tools/file-ledger.ts";
import type { ConfinementMethod } from "../../../src/execution/tools/io/confined-root.ts";
import { replaceFile } from "../../../src/execution/tools/io/file-replacement.ts";
import { openRoot } from "../../../src/execution/tools/io/open-root.ts";
import { ToolBox } from "../../../src/execution/tools/io/tool-box.ts";
import { WorkspaceFiles } from "../../../src/execution/tools/io/workspace-files.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";
import { faultOf, workbench } from "./tool-box-harness.ts";

const folder = temporaryFolders();
const never = new AbortController().signal;

describe("read_file", () => {
  it("pages through a file, and says where it is past the end", async () => {
    const { call, put } = workbench(folder());
    put("long.txt", Array.from({ length: 480 }, (_, index) => `line ${index + 1}\n`).join(""));

    const first = await call("read_file", { path: "long.txt", max_lines: 120 });
    expect(first).toMatchObject({ kind: "fileRead", firstLine: 1, totalLines: 480, isTruncated: true });
    expect(first.kind === "fileRead" && first.lines.slice(119)).toEqual(["line 120"]);
    expect(await call("read_file", { path: "long.txt", start_line: 479 })).toMatchObject({
      lines: ["line 479", "line 480"],
      isTruncated: false,
    });
    expect(faultOf(await call("read_file", { path: "long.txt", start_line: 481 }))).toBe(
      "badArguments: start_line 481 is past the end: long.txt has only 480 lines | Read from an earlier line",
    );
  });

  it("reads an empty file as one without lines, and a file of one open line as that line", async () => {
    const { call, put } = workbench(folder());
    put("empty", "");
    put("open", "no end");

    expect(await call("read_file", { path: "empty" })).toMatchObject({ firstLine: 0, lines: [], totalLines: 0 });
    expect(await call("read_file", { path: "open" })).toMatchObject({ lines: ["no end"], totalLines: 1 });
  });

  it("shows neither byte order mark nor carriage returns", async () => {
    const { call, put } = workbench(folder());
    put("windows.txt", "\ufeffone\r\ntwo\r\n");

    expect(await call("read_file", { path: "windows.txt" })).toMatchObject({ lines: ["one", "two"] });
  });

  it.each([
    ["binary", new Uint8Array([65, 0, 66]), "is a binary file"],
    ["latin1", new Uint8Array([0x63, 0x61, 0x66, 0xe9]), "is not valid UTF-8"],
    ["utf16", new Uint8Array([0xff, 0xfe, 0x41, 0x00]), "is encoded as UTF-16"],
  ])("refuses a file that is no UTF-8 text: %s", async (name, content, reason) => {
    const { call, put } = workbench(folder());
    put(name, content);

    expect(faultOf(await call("read_file", { path: name }))).toContain(`wrongKind: ${name} ${reason}`);
    expect(faultOf(await call("edit_file", { path: name, old_text: "A", new_text: "B" }))).toContain(reason);
  });

  it("cuts a line of megabytes, and does not count it as read", async () => {
    const { call, put } = workbench(folder());
    put("wide.js", `first\n${"x".repeat(3_000_000)}\nlast\n`);

    const read = await call("read_file", { path: "wide.js" });

    expect(read).toMatchObject({ totalLines: 3, isTruncated: true });
    expect(JSON.stringify(read).length).toBeLessThan(5_000);
    expect(faultOf(await call("write_file", { path: "wide.js", content: "" }))).toContain("only lines 1 to 1 of 3");
  });

  it("pages through files that are too large to hold, sparse ones included", async () => {
    const { call, put } = workbench(folder());
    const line = `${"y".repeat(99)}\n`;
    const path = put("huge.log", line.repeat(100_000));
    expect(await call("read_file", { path: "huge.log", start_line: 99_999 })).toMatchObject({
      lines: ["y".repeat(99), "y".repeat(99)],
      totalLines: 100_000,
      isTruncated: false,
    });
    expect(await call("read_file", { path: "huge.log", max_lines: 1 })).toMatchObject({
      totalLines: null,
      isTruncated: true,
    });
    expect(faultOf(await call("read_file", { path: "huge.log", start_line: 100_001 }))).toContain("only 100000 lines");
    expect(faultOf(await call("edit_file", { path: "huge.log", old_text: "y", new_text: "z" }))).toMatch(/^tooLarge/);

    // Further into a file nobody reads on, because everything else waits meanwhile.
    put("far.log", line.repeat(700_000));
    expect(await call("read_file", { path: "far.log", start_line: 600_000, max_lines: 1 })).toMatchObject({
      firstLine: 600_000,
    });
    expect(faultOf(await call("read_file", { path: "far.log", start_line: 690_000 }))).toMatch(
      /^tooLarge: line 690000 .* further than 67108864 bytes/,
    );

    // Sparse: a terabyte that takes no disk.
    truncateSync(path, 2 ** 40);
    expect(faultOf(await call("read_file", { path: "huge.log", start_line: 100_001 }))).toContain("is a binary file");
  });
});

describe("writing", () => {
  it("creates a file, and replaces it as often as the session likes", async () => {
    const { call, workspace } = workbench(folder());

    expect(await call("write_file", { path: "a.txt", content: "one\n" })).toMatchObject({
      change: "created",
      lines: 1,
      bytes: 4,
    });
    expect(await call("write_file", { path: "a.txt", content: "two\n" })).toMatchObject({ change: "replaced" });
    expect(await call("write_file", { path: "a.txt", content: "two\n" })).toMatchObject({ change: "unchanged" });
    expect(readFileSync(join(workspace, "a.txt"), "utf8")).toBe("two\n");
    expect(readdirSync(workspace)).toEqual(["a.txt"]);
  });

  it("over a file that was not read, not read to its end, or changed since, is refused", async () => {
    const { call, put } = workbench(folder());
    const path = put("a.txt", "1\n2\n3\n");
    expect(faultOf(await call("write_file", { path: "a.txt", content: "x" }))).toMatch(/^stale: .*Read it first/);

    await call("read_file", { path: "a.txt", max_lines: 2 });
    expect(faultOf(await call("write_file", { path: "a.txt", content: "x" }))).toContain("only lines 1 to 2 of 3");

    await call("read_file", { path: "a.txt" });
    writeFileSync(path, "of another\n");
    expect(faultOf(await call("write_file", { path: "a.txt", content: "x" }))).toContain("changed since it was read");
    expect(faultOf(await call("edit_file", { path: "a.txt", old_text: "of", new_text: "x" }))).toContain(
      "changed since",
    );
    expect(readFileSync(path, "utf8")).toBe("of another\n");
  });

  it("over an empty file, or with the very content that is there, needs no reading", async () => {
    const { call, put } = workbench(folder());
    put("empty", "");
    put("same", "same");

    expect(await call("write_file", { path: "empty", content: "x" })).toMatchObject({ change: "replaced" });
    expect(await call("write_file", { path: "same", content: "same" })).toMatchObject({ change: "unchanged" });
  });

  it("keeps byte order mark and line ends of the file", async () => {
    const { call, put } = workbench(folder());
    const path = put("windows.txt", "\ufeffone\r\ntwo\r\n");
    await call("edit_file", { path: "windows.txt", old_text: "two", new_text: "two\nthree" });
    expect(readFileSync(path, "utf8")).toBe("\ufeffone\r\ntwo\r\nthree\r\n");

    await call("read_file", { path: "windows.txt" });
    await call("write_file", { path: "windows.txt", content: "all\nnew\n" });
    expect(readFileSync(path, "utf8")).toBe("\ufeffall\r\nnew\r\n");
  });

  it("shows the edited lines as they are now", async () => {
    const { call, put } = workbench(folder());
    put("a.txt", "1\n2\n3\n4\n5\n6\n");

    expect(
      await call("edit_file", { path: "a.txt", old_text: "3\n", new_text: "three\nthree and a half\n" }),
    ).toMatchObject({
      kind: "fileEdited",
      method: "exact",
      firstLine: 1,
      lines: ["1", "2", "three", "three and a half", "4", "5"],
    });
  });

  it("that cannot find its place shows the nearest lines", async () => {
    const { call, put } = workbench(folder());
    put("a.ts", "const alpha = 1;\nconst beta = 2;\n");

    expect(faultOf(await call("edit_file", { path: "a.ts", old_text: "const bata = 2;", new_text: "x" }))).toBe(
      "noMatch: old_text is not in a.ts. The nearest lines are:\n2|const beta = 2; | Copy old_text exactly from the file, without the line numbers",
    );
    expect(faultOf(await call("edit_file", { path: "a.ts", old_text: "const", new_text: "let" }))).toContain(
      "ambiguous: old_text fits 2 places in a.ts: lines 1, 2",
    );
  });

  it("goes on in a resumed session with the ledger of its checkpoint", async () => {
    const { box, call, put, workspace } = workbench(folder());
    put("a.txt", "one");
    await call("read_file", { path: "a.txt" });
    const files = WorkspaceFiles.open(workspace);
    if (!files.ok) throw new Error(files.error.message);
    const ledger = FileLedger.fromJSON(JSON.parse(JSON.stringify(box.ledger)));

    const resumed = new ToolBox({ files: files.value, ledger, clock: new SimulatedClock() });

    expect(
      await resumed.call({ id: "2", name: "write_file", arguments: { path: "a.txt", content: "two" } }, never),
    ).toMatchObject({
      change: "replaced",
    });
  });

  it("removes the draft of a write that was killed", async () => {
    const { call, workspace } = workbench(folder());
    await call("write_file", { path: "a.txt", content: "one" });
    // Drafts are named after their file: the SHA-256 of "a.txt".
    writeFileSync(join(workspace, ".drover-18b7cb099a9ea3f5.draft"), "left over");

    await call("write_file", { path: "a.txt", content: "three" });

    expect(readdirSync(workspace)).toEqual(["a.txt"]);
    expect(readFileSync(join(workspace, "a.txt"), "utf8")).toBe("three");
  });
});

describe.each<ConfinementMethod>(process.platform === "linux" ? ["openat2", "walk", "checked"] : ["checked"])(
  "a replacement (%s)",
  (method) => {
    const replacing = (
      change: (path: string, workspace: string) => void,
    ): { readonly fault: string; readonly workspace: string } => {
      const { workspace, put } = workbench(folder(), method);
      const path = put("a.txt", "old");
      const root = openRoot(workspace, method);
      if (!root.ok) throw new Error(root.error.message);
      const replaced = replaceFile(root.value, "a.txt", () => {
        change(path, workspace);
        return { ok: true, value: new TextEncoder().encode("new") };
      });
      root.value.close();
      return { fault: replaced.ok ? replaced.value.change : replaced.error.message, workspace };
    };

    it("takes place when nothing came in between", () => {
      const { fault, workspace } = replacing(() => undefined);

      expect(fault).toBe("replaced");
      expect(readFileSync(join(workspace, "a.txt"), "utf8")).toBe("new");
    });

    it.each<[string, (path: string, workspace: string) => void]>([
      ["was written to", (path) => writeFileSync(path, "of another")],
      ["was appended to by one who had it open", (path) => writeSync(openSync(path, "a"), " of another")],
      [
        "was replaced by another file",
        (path, workspace) => {
          writeFileSync(join(workspace, "b"), "of another");
          renameSync(join(workspace, "b"), path);
        },
      ],
    ])("is refused when the file %s after the decision, and leaves that content", (_, change) => {
      const { fault, workspace } = replacing(change);

      expect(fault).toBe("a.txt changed while it was edited");
      expect(readFileSync(join(workspace, "a.txt"), "utf8")).toContain("of another");
      expect(readdirSync(workspace)).toEqual(["a.txt"]);
    });

    it("of a file that was not there is refused when it appeared meanwhile", () => {
      const { workspace } = workbench(folder(), method);
      const root = openRoot(workspace, method);
      if (!root.ok) throw new Error(root.error.message);

      const replaced = replaceFile(root.value, "new.txt", () => {
        writeFileSync(join(workspace, "new.txt"), "of another");
        return { ok: true, value: new Uint8Array([120]) };
      });

      expect(replaced).toMatchObject({ ok: false, error: { code: "stale" } });
      expect(readFileSync(join(workspace, "new.txt"), "utf8")).toBe("of another");
      expect(readdirSync(workspace)).toEqual(["new.txt"]);
    });

    it("leaves no draft when the folder may not be written", () => {
      const { workspace, put } = workbench(folder(), method);
      put("a.txt", "old");
      chmodSync(workspace, 0o555);

      const root = openRoot(workspace, method);
      if (!root.ok) throw new Error(root.error.message);
      const replaced = replaceFile(root.value, "a.txt", () => ({ ok: true, value: new Uint8Array([120]) }));

      // Root may write everywhere; for anybody else it is refused in words.
      expect(replaced.ok ? replaced.value.change : replaced.error.message).toMatch(/^replaced$|permission denied/);
      expect(statSync(join(workspace, "a.txt")).size).toBe(replaced.ok ? 1 : 3);
      expect(readdirSync(workspace)).toEqual(["a.txt"]);
      chmodSync(workspace, 0o755);
    });
  },
);
