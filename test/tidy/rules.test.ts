/** The rules themselves: each is shown a fault and must see it, and is shown its absence and must be silent. */
import { describe, expect, it } from "vitest";
import {
  lockFaults,
  machineFaults,
  nameFaults,
  sizeFaults,
  unfinishedFaults,
  versionFaults,
  watchdogSizeFaults,
} from "./file-rules.ts";
import { ambientFaults, deadFileFaults, importFaults, WATCHDOG_PROCESS, weightFaults } from "./import-rules.ts";
import { linterTable } from "./linter-config.ts";
import { importsOf, resolveImport, type SourceFile } from "./source-text.ts";

const file = (path: string, text = ""): SourceFile => ({ path, text });
const lines = (count: number): readonly SourceFile[] => [file("src/queue/a.ts", "x;\n".repeat(count))];
const machineFaultsIn = (text: string): number =>
  machineFaults([file("docs/a.md", text)], ["/srv/checkouts/drover"]).length;
const pure = (text: string): readonly SourceFile[] => [file("src/queue/lanes.ts", text)];

describe("importsOf", () => {
  it("sees static, type-only, re-exported, bare, dynamic and multi-line imports, and no prose", () => {
    const text = [
      'import { a } from "./a.ts";',
      'import type { B } from "#base";',
      "import {",
      "  c,",
      '} from "c";',
      'export * from "./d.ts";',
      'import "./e.ts";',
      'const f = await import("./f.ts");',
      'type G = import("./g.ts").G;',
      "/**",
      ' * import { x } from "./prose.ts";',
      " */",
      '// import { y } from "./remark.ts";',
    ].join("\n");

    expect([...importsOf(text)].toSorted()).toEqual(
      ["#base", "./a.ts", "./d.ts", "./e.ts", "./f.ts", "./g.ts", "c"].toSorted(),
    );
  });

  it("resolves rooms to their index and relative names against the importing file", () => {
    expect(resolveImport("src/queue/lanes.ts", "#base")).toBe("src/base/index.ts");
    expect(resolveImport("src/queue/io/clock.ts", "../task.ts")).toBe("src/queue/task.ts");
    expect(resolveImport("src/queue/lanes.ts", "zod")).toBeUndefined();
  });
});

describe("importFaults", () => {
  it.each([
    ["a room outside the table", "src/queue/a.ts", 'import { x } from "#store";', "queue may import base"],
    [
      "a type of a room outside the table",
      "src/base/a.ts",
      'import type { x } from "#queue";',
      "base may import nothing",
    ],
    [
      "a relative reach into another room",
      "src/queue/a.ts",
      'import { x } from "../base/ids.ts";',
      "reaches into base",
    ],
    ["its own room by name", "src/queue/a.ts", 'import { x } from "#queue";', "use a relative path"],
    ["the runtime from the command line", "src/cli/a.ts", 'import { x } from "#runtime";', "cli may import base, api"],
    ["main", "src/queue/a.ts", 'import { x } from "../main.ts";', "nothing imports src/main.ts"],
    [
      "tests from what ships",
      "src/queue/a.ts",
      'import { x } from "../../test/support/x.ts";',
      "must not depend on tests",
    ],
    ["an unknown room", "src/helper/a.ts", "", "no room helper"],
    ["a room that main must not know", "src/main.ts", 'const x = await import("#queue");', "only chooses a part"],
    ["a room loaded statically by main", "src/main.ts", 'import { up } from "#runtime";', "statically"],
  ])("refuses %s", (_what, path, text, reason) => {
    expect(importFaults([file(path, text)]).join("\n")).toContain(reason);
  });

  it("lets through what the table permits", () => {
    const permitted = [
      file("src/store/a.ts", 'import { x } from "#queue";\nimport { y } from "./b.ts";\nimport { z } from "zod";'),
      file("src/queue/io/a.ts", 'import { x } from "../task.ts";\nimport { y } from "#base";'),
      file("src/main.ts", 'import { version } from "./runtime/version.ts";\nconst cli = await import("#cli");'),
    ];

    expect(importFaults(permitted)).toEqual([]);
  });
});

describe("ambientFaults", () => {
  it.each([
    "const t = Date.now();",
    "const t = new Date();",
    "const t = performance.now();",
    "const r = Math.random();",
    "const r = crypto.randomUUID();",
    "setTimeout(go, 1);",
    "setInterval(go, 1);",
    "const pid = process.pid;",
    "await fetch(url);",
    "const v = Bun.version;",
    'import { readFileSync } from "node:fs";',
    'import { Database } from "bun:sqlite";',
    'import { spawn } from "bun";',
  ])("refuses `%s` in pure code", (text) => {
    expect(ambientFaults(pure(text))).toHaveLength(1);
  });

  it.each([
    "const t = new Date(atMs).toISOString();",
    "// Date.now() is not for us",
    'const message = "set process.env first";',
    "clock.setTimeout(go, 1);",
    "store.process.fetch(1);",
    "const words = reprocess.all();",
  ])("lets `%s` through", (text) => {
    expect(ambientFaults(pure(text))).toEqual([]);
  });

  it.each(["src/queue/io/clock.ts", "src/store/a.ts", "src/api/a.ts", "src/cli/a.ts", "src/runtime/a.ts", "test/a.ts"])(
    "permits the outside world in %s",
    (path) => {
      expect(ambientFaults([file(path, "const t = Date.now();")])).toEqual([]);
    },
  );
});

describe("weightFaults", () => {
  const up = (text: string): SourceFile => file("src/runtime/commands/up.ts", text);
  const found = (...files: readonly SourceFile[]): string => weightFaults(files, WATCHDOG_PROCESS).join("\n");

  it("names a room that is loaded, however far away, and through whom", () => {
    const faults = found(
      up('import { x } from "../a.ts";'),
      file("src/runtime/a.ts", 'export { y } from "#store";'),
      file("src/store/index.ts", ""),
    );

    expect(faults).toContain("src/store/index.ts: loaded by src/runtime/a.ts");
  });

  it("names a package, and a file that is not there", () => {
    expect(found(up('import { Hono } from "hono";'))).toContain("package hono");
    expect(found(up('import "../gone.ts";'))).toContain("no such file");
  });

  it("lets types and what is loaded when asked for through", () => {
    expect(found(up('import type { X } from "#store";\nimport { z } from "zod";\nawait import("#api");'))).toBe("");
  });
});

describe("deadFileFaults", () => {
  const main = file("src/main.ts", 'await import("#runtime");');
  const runtime = file("src/runtime/index.ts", 'new Worker(new URL("./reader-worker.ts", import.meta.url).href);');
  const worker = file("src/runtime/reader-worker.ts");

  it("is silent when everything is reached", () => {
    expect(deadFileFaults([main, runtime, worker], ["src/main.ts", "src/runtime/reader-worker.ts"])).toEqual([]);
  });

  it("names a file that nothing reaches", () => {
    const faults = deadFileFaults([main, file("src/runtime/index.ts"), file("src/runtime/old.ts")], ["src/main.ts"]);

    expect(faults).toEqual([expect.stringContaining("src/runtime/old.ts: nothing reaches it")]);
  });

  it("names a worker that the build does not know", () => {
    expect(deadFileFaults([main, runtime, worker], ["src/main.ts"]).join("\n")).toContain("does not list");
  });

  it("names a declared entry that does not exist", () => {
    expect(deadFileFaults([main], ["src/main.ts", "src/gone-worker.ts"]).join("\n")).toContain("no such file");
  });
});

describe("rules on files", () => {
  it("refuses 401 lines and permits 400", () => {
    expect(sizeFaults(lines(400))).toEqual([]);
    expect(sizeFaults(lines(401))).toHaveLength(1);
  });

  it("counts the watchdog's lines of code alone: no comments, no blanks, no updates", () => {
    const files = [
      file("src/watchdog/a.ts", "/** One. */\nx;\n\n// two\ny;\n"),
      file("src/watchdog/io/b.ts", "z;\n"),
      file("src/watchdog/update/c.ts", "u;\nv;\n"),
    ];

    expect(watchdogSizeFaults(files, 3)).toEqual([]);
    expect(watchdogSizeFaults(files, 2)).toEqual([expect.stringContaining("3 lines of code")]);
  });

  it.each(["src/queue/util.ts", "src/queue/string-helpers.ts", "test/support/common.ts", "src/queue/queue-types.ts"])(
    "refuses the vague name %s",
    (path) => {
      expect(nameFaults([file(path)]).join("\n")).toContain("says nothing");
    },
  );

  it.each(["src/queue/DeadLetter.ts", "src/queue/dead_letter.ts", "src/Queue/dead-letter.ts"])(
    "refuses %s, which is not kebab-case",
    (path) => {
      expect(nameFaults([file(path)]).join("\n")).toContain("kebab-case");
    },
  );

  it("lets good names through", () => {
    const paths = [
      "src/queue/dead-letter.ts",
      "src/store/migrations/0001-initial.ts",
      "test/unit/a.test.ts",
      "README.md",
    ];

    expect(nameFaults(paths.map((path) => file(path)))).toEqual([]);
  });

  it.each([
    ["TO", "DO: later"],
    ["FIX", "ME"],
    ["good enough for", " now"],
    ["coming", " soon"],
    ["not", " implemented"],
  ])("refuses unfinished work: %s%s", (head, tail) => {
    expect(unfinishedFaults([file("README.md", `a\n${head}${tail}`)])).toEqual([
      expect.stringContaining("README.md:2"),
    ]);
  });

  it("does not take an instant for a promise", () => {
    expect(unfinishedFaults([file("src/a.ts", "const after = wait(for, nowMs);\nlet todos;")])).toEqual([]);
  });

  it("refuses folders of a machine and registries, and permits example folders", () => {
    const person = ["", "home", "gertrude"].join("/");
    const registry = ["registry", "npmjs", "org"].join(".");

    expect(machineFaultsIn(`cd ${person}/x`)).toBe(1);
    expect(machineFaultsIn("cd /srv/checkouts/drover/x")).toBe(1);
    expect(machineFaultsIn(`https://${registry}/x`)).toBe(1);
    expect(machineFaultsIn("cd /home/you/x; ls /var/lib/drover")).toBe(0);
  });

  it("refuses a host in the lockfile and a version range in package.json", () => {
    expect(lockFaults('["a@1.0.0", "https://packages.example/a.tgz"]')).toHaveLength(1);
    expect(lockFaults('["a@1.0.0", ""]')).toEqual([]);
    expect(versionFaults({ dependencies: { a: "^1.0.0", b: "1.0.0" } })).toEqual([
      expect.stringContaining("a is ^1.0.0"),
    ]);
  });

  it("reads the linter's table per room", () => {
    const rules = { "no-restricted-imports": ["error", { patterns: [{ group: ["#*", "!#base", "!#hw"] }] }] };

    expect([...linterTable({ overrides: [{ files: ["src/execution/**"], rules }] })]).toEqual([
      ["execution", ["base", "hw"]],
    ]);
  });
});
