import { describe, expect, it } from "vitest";
import type { SourceBuild } from "#api";
import { compareVersions, parseVersion } from "#watchdog";
import { exampleBuilds } from "../../../../src/api/source-build.ts";
import { FAILURES_WITHIN_MS, recentFailures, withSwaps } from "../../../../src/runtime/source-build/build-failures.ts";
import { commandOf, versionOfBuild } from "../../../../src/runtime/source-build/build-words.ts";
import {
  EMPTY_TREE,
  isLeftOut,
  judgeEntry,
  leadsOut,
  MAX_TREE_BYTES,
  MAX_TREE_FILES,
  pathFault,
} from "../../../../src/runtime/source-build/source-tree.ts";
import { v } from "../../../support/releases.ts";

/** Nine years and a bit after the instant that versions count from. */
const NOW_MS = 1_577_836_800_000 + 300_000_000_000;

describe("the version of a build", () => {
  it.each([
    ["0.1.0", "0.1.0", "0.1.1-source.300000000"],
    ["0.1.0", undefined, "0.1.1-source.300000000"],
    ["0.1.0", "0.0.9", "0.1.1-source.300000000"],
    ["0.1.0", "0.2.0", "0.2.0-source.300000000"],
    ["0.1.0", "0.2.0-beta.1", "0.2.0-beta.1.source.300000000"],
    ["0.1.1-source.299999999", "0.1.0", "0.1.1-source.300000000"],
    ["0.1.1-source.300000000", "0.1.0", "0.1.2-source.300000000"],
    ["0.2.0-beta.1.source.7", "0.1.0", "0.2.0-beta.1.source.300000000"],
    ["0.2.0-zeta", "0.2.0", "0.2.0-zeta.source.300000000"],
  ])("over %s, of a source that says %s, is %s and newer", (current, packaged, expected) => {
    const version = versionOfBuild(v(current), packaged === undefined ? undefined : parseVersion(packaged), NOW_MS);

    expect(version).toBe(expected);
    expect(compareVersions(version, v(current))).toBeGreaterThan(0);
  });
});

describe("the command of a build", () => {
  it("has its places filled in, and every root that is compiled in named", () => {
    const places = { bun: "/b/bun", version: "1.2.3", out: "/o", rootKeyFiles: ["/k/0", "/k/1"] };

    expect(commandOf(["{bun}", "x.ts", "--out={out}", "{version}", "{root_keys}", "{other}"], places)).toEqual([
      "/b/bun",
      "x.ts",
      "--out=/o",
      "1.2.3",
      "--root-key",
      "/k/0",
      "--root-key",
      "/k/1",
      "{other}",
    ]);
    expect(commandOf(["{root_keys}"], { ...places, rootKeyFiles: [] })).toEqual([]);
  });
});

describe("a copy of a source", () => {
  it.each([
    ["S1: an absolute target", "a", "/etc", true],
    ["S1: one folder too far up", "a/b", "../../x", true],
    ["S1: up to the root of the copy", "a/b", "../x", false],
    ["S1: beside it", "a", "b", false],
    ["S1: up from the top", "a", "..", true],
    ["S1: back behind a name, which may be a link", "a/b/c", "d/../x", true],
    ["S1: empty parts and dots", "a/b", ".//../x", false],
  ])("%s", (_name, path, target, expected) => {
    expect(leadsOut(path, target)).toBe(expected);
  });

  it.each([
    ["S2: a file too many", { files: MAX_TREE_FILES, bytes: 0 }, { path: "a", kind: "file", bytes: 0 }, false],
    ["S2: a byte too many", { files: 0, bytes: MAX_TREE_BYTES }, { path: "a", kind: "file", bytes: 1 }, false],
    ["S2: as much as may be", { files: 0, bytes: MAX_TREE_BYTES - 1 }, { path: "a", kind: "file", bytes: 1 }, true],
    ["S2: too deep", EMPTY_TREE, { path: "a/".repeat(40) + "b", kind: "file", bytes: 1 }, false],
    ["a pipe or a device", EMPTY_TREE, { path: "a", kind: "other", bytes: 0 }, false],
    ["S1: a link that leads out", EMPTY_TREE, { path: "a", kind: "link", bytes: 0, target: "/etc" }, false],
    ["a link that stays inside", EMPTY_TREE, { path: "a", kind: "link", bytes: 0, target: "b" }, true],
  ] as const)("%s", (_name, totals, entry, expected) => {
    expect(judgeEntry(totals, entry).ok).toBe(expected);
  });

  it("leaves out what is no source", () => {
    const paths = [".git", "node_modules", "a/node_modules", "dist", "a/dist", "src", ".gitignore"];

    expect(paths.filter(isLeftOut)).toEqual([".git", "node_modules", "a/node_modules", "dist"]);
  });

  it.each([
    ["src/a.ts", true],
    ["/etc/passwd", false],
    ["a/../../b", false],
    ["a//b", false],
    ["./a", false],
    ["a\\b", false],
    [".git/config", false],
    ["a/.GIT/config", false],
    ["node_modules/x/index.js", false],
  ])("S3: a change of %s is taken: %s", (path, isTaken) => {
    expect(pathFault(path) === undefined).toBe(isTaken);
  });
});

describe("builds that failed", () => {
  const nowMs = FAILURES_WITHIN_MS * 10;
  const build = (fields: Partial<SourceBuild>): SourceBuild => ({
    ...exampleBuilds.builds[0],
    ...({ endedAtMs: nowMs - 1 } as SourceBuild), // `as`: the example has every other field
    ...fields,
  });

  it.each<[string, Partial<SourceBuild>, number]>([
    ["failed just now", { result: "failed" }, 1],
    ["failed an hour ago", { result: "failed", endedAtMs: nowMs - FAILURES_WITHIN_MS }, 0],
    ["failed before it was forgiven", { result: "failed", endedAtMs: nowMs - 1_000 }, 0],
    ["was rolled back after its swap", { result: "built", swap: "rolledBack" }, 1],
    ["failed its selftest", { result: "built", swap: "abandoned" }, 1],
    ["runs", { result: "built", swap: "committed" }, 0],
    ["is being swapped in", { result: "built", swap: null }, 0],
    ["was not taken, for a reason of this node", { result: "refused" }, 0],
    ["was only checked", { result: "checked" }, 0],
    ["was interrupted", { result: "interrupted" }, 0],
  ])("one that %s counts %#", (_name, fields, expected) => {
    expect(recentFailures([build(fields)], nowMs, nowMs - 1_000)).toBe(expected);
  });

  it("learn from the watchdog's history how the swap ended, once", () => {
    const builds = [build({ result: "built", version: "1.0.0" }), build({ result: "failed", version: "2.0.0" })];
    const rows = [
      { version: "1.0.0", result: "rolledBack" },
      { version: "2.0.0", result: "refused" },
    ];

    const settled = withSwaps(builds, rows);

    expect(settled.map(({ swap }) => swap)).toEqual(["rolledBack", null]);
    expect(withSwaps(settled, rows)).toBe(settled);
  });
});
