import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { mainEntry, workerEntries } from "../../build/entrypoints.ts";
import {
  lockFaults,
  machineFaults,
  nameFaults,
  sizeFaults,
  unfinishedFaults,
  versionFaults,
  watchdogSizeFaults,
} from "./file-rules.ts";
import {
  ambientFaults,
  deadFileFaults,
  importFaults,
  LAUNCHER_PROCESS,
  WATCHDOG_PROCESS,
  weightFaults,
} from "./import-rules.ts";
import { importTable } from "./import-table.ts";
import { type LinterConfig, linterTable } from "./linter-config.ts";
import { root, treeFiles } from "./tree.ts";

const files = treeFiles();
const sources = files.filter((file) => file.path.startsWith("src/"));
const textOf = (path: string): string => readFileSync(join(root, path), "utf8");

describe("the tree", () => {
  it("is read: sources, tests and documents are among the files", () => {
    const paths = files.map((file) => file.path);

    expect(paths).toContain("src/base/index.ts");
    expect(paths).toContain("test/tidy/tree.test.ts");
    expect(paths).toContain("package.json");
  });

  it("keeps imports between rooms to the import table", () => {
    expect(importFaults(files)).toEqual([]);
  });

  it("touches the outside world only under io/ and in the edge rooms", () => {
    expect(ambientFaults(files)).toEqual([]);
  });

  it("has no dead file under src/, and declares every worker thread as an entry of the build", () => {
    expect(deadFileFaults(sources, [mainEntry, ...workerEntries])).toEqual([]);
  });

  it("loads neither databases nor models nor a server in the process of the watchdog", () => {
    expect(weightFaults(sources, WATCHDOG_PROCESS)).toEqual([]);
  });

  it("loads no room in the launcher of the sandbox", () => {
    expect(weightFaults(sources, LAUNCHER_PROCESS)).toEqual([]);
  });

  it("gives the entries of the build different base names, because the executable holds them in one folder", () => {
    const names = [mainEntry, ...workerEntries].map((path) => path.split("/").at(-1));

    expect(new Set(names).size).toBe(names.length);
  });

  it("has no file of code over 400 lines", () => {
    expect(sizeFaults(files)).toEqual([]);
  });

  it("has a watchdog that does not grow", () => {
    expect(watchdogSizeFaults(sources)).toEqual([]);
  });

  it("names files in kebab-case after what they hold", () => {
    expect(nameFaults(files)).toEqual([]);
  });

  it("holds no words that announce unfinished work", () => {
    expect(unfinishedFaults(files)).toEqual([]);
  });

  it("names no folder of this machine and no package registry", () => {
    // A checkout in a top-level folder (/app, /src) has a name that prose uses too; it proves nothing.
    const machineFolders = root.split("/").length > 2 ? [root] : [];

    expect(machineFaults(files, machineFolders)).toEqual([]);
  });

  it("locks every dependency to one version and to no host", () => {
    // `as`: package.json, which this very run was started from.
    const manifest = JSON.parse(textOf("package.json")) as Record<string, unknown>;

    expect(versionFaults(manifest)).toEqual([]);
    expect(lockFaults(textOf("bun.lock"))).toEqual([]);
  });

  it("tells the linter the same import table as this test", () => {
    // `as`: the linter refuses a configuration of another shape before this test runs.
    const config = JSON.parse(textOf(".oxlintrc.json")) as LinterConfig;
    const table = linterTable(config);
    const existing = new Set(sources.map((file) => file.path.split("/")[1]));

    expect(table.size).toBeGreaterThan(3);
    for (const [room, allowed] of table) {
      const expected = (importTable[room] ?? []).filter((name) => existing.has(name));
      expect({ room, allowed: allowed.filter((name) => existing.has(name)).toSorted() }).toEqual({
        room,
        allowed: expected.toSorted(),
      });
    }
  });

  it("has continuous integration install packages and run exactly the test command of the README", () => {
    const commands = textOf(".ci/run")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));

    expect(commands.slice(2)).toEqual(["sh build/system-packages.sh", "npm test"]);
    expect(textOf("README.md")).toContain("npm test");
  });
});
