import { describe, expect, test } from "vitest";
import { type Finding, judge, parseAllowList, replaceAddresses } from "#repos";
import { scanText } from "./scan-text.ts";

const rules = (findings: readonly Finding[]): readonly string[] => findings.map(({ rule }) => rule);

describe("addresses", () => {
  test.each([
    ["10.1.2.3", ["private-address"]],
    ["172.31.255.255:8080", ["private-address"]],
    ["http://192.168.1.20/x", ["private-address"]],
    ["fd12:3456:789a::1", ["private-address"]],
    ["nas.lan", ["internal-host"]],
    ["build-7.corp", ["internal-host"]],
    ["127.0.0.1", []],
    ["172.32.0.1", []],
    ["192.0.2.7", []],
    ["10.0.0.0/8", []],
    ["version 10.1.2.3.4", []],
    ["300.168.1.1", []],
    ["host.docker.internal", []],
    ["this.internal", []],
    ["store.local()", []],
  ])("%s", async (text, expected) => {
    expect(rules(await scanText(`at ${text} now`))).toEqual(expected);
  });

  test("the same address becomes the same document address in every file, and allowed ones stay", () => {
    const files = [
      { path: "a", text: "10.1.2.3 nas.lan 10.9.9.9", bytes: 25 },
      { path: "b", text: "to 10.1.2.3 and fd00::5", bytes: 23 },
      { path: "c", text: "nothing", bytes: 7 },
    ];

    const replaced = replaceAddresses(files, (_path, address) => address === "10.9.9.9");

    expect(replaced).toEqual([
      { path: "a", text: "192.0.2.1 host-1.example.com 10.9.9.9", replacements: 2 },
      { path: "b", text: "to 192.0.2.1 and 2001:db8::1", replacements: 2 },
    ]);
  });

  test("what was replaced is clean", async () => {
    const [replaced] = replaceAddresses([{ path: "a", text: "10.1.2.3 nas.lan fd00::5", bytes: 24 }], () => false);

    expect(await scanText(replaced?.text ?? "10.1.2.3")).toEqual([]);
  });
});

test.each([
  ["a key in base64 that begins with a slash", "/o+fFoe8FA2pfmDqsimS+oOw8H5KkliX/048H4x84/ol", ["assigned-secret"]],
  ["a path", "/etc/drover/keys/signing2/Current", []],
  ["a path with a digest", `/nix/store/${"0a1b2c3d4e5f6a7b".repeat(2)}`, []],
])("under a name of a secret, %s: %s", async (_what, value, expected) => {
  expect(rules(await scanText(`const authToken = "${value}";`, "a.ts"))).toEqual(expected);
});

describe("people", () => {
  test.each([
    [["", "home", "jdoe", "src"].join("/"), ["home-folder"]],
    ["C:\\\\Users\\\\JDoe\\\\x", ["home-folder"]],
    ["/home/user/src and /Users/runner/x", []],
    ["mail jdoe@company.io", ["e-mail"]],
    ["security@company.io, a@example.com", []],
    ["logo@2x.png", []],
    ["git@github.com:a/b", []],
  ])("%s", async (text, expected) => {
    expect(rules(await scanText(text))).toEqual(expected);
  });

  test("a watched word is found in any case, as a word", async () => {
    const findings = await scanText("by MÜLLER, not Müllers", "a.md", undefined, ["müller"]);

    expect(findings).toMatchObject([{ rule: "watched-word", column: 4, severity: "block" }]);
  });
});

test.each([
  [".env", "environment-file"],
  ["deploy/.env.production", "environment-file"],
  [".env.example", undefined],
  ["keys/id_ed25519", "key-file"],
  ["state/fleet.db-wal", "database-file"],
  ["web/node_modules/x/index.js", "folder-of-a-tool"],
  ["src/core.ts", undefined],
  ["a/.DS_Store", "left-by-an-editor"],
])("the file %s: %s", async (path, rule) => {
  expect(rules(await scanText("", path))).toEqual(rule === undefined ? [] : [rule]);
});

describe("the allow-list", () => {
  test("lets through what fits each field, with its reason, and says what fitted nothing", async () => {
    const findings = await scanText("10.1.2.3\nnas.lan\n", "docs/a.md");
    const list = parseAllowList(
      {
        allow: [
          { rule: "private-address", path: "docs", reason: "the example of a homelab" },
          { rule: "private-address", path: "src", reason: "nothing is there any more" },
        ],
      },
      "list",
    );

    const judged = judge(findings, list.ok ? list.value : []);

    expect(rules(judged.findings)).toEqual(["internal-host"]);
    expect(judged.allowed).toMatchObject([{ reason: "the example of a homelab", finding: { shown: "10.1.2.3" } }]);
    expect(judged.unused).toMatchObject([{ path: "src" }]);
  });

  test("docs does not let docs-old through", async () => {
    const findings = await scanText("10.1.2.3", "docs-old/a.md");

    expect(judge(findings, [{ path: "docs/", reason: "the example of a homelab" }]).findings).toHaveLength(1);
  });

  test.each([
    [{ allow: [{ rule: "x" }] }, "allow.0.reason"],
    [{ allow: [{ reason: "this is allowed because" }] }, "entry 1 would let everything through"],
    [{ allow: [{ rule: "x", reason: "short" }] }, "ten characters"],
    [{ allowed: [] }, "allowed"],
  ])("%j is refused", (tree, words) => {
    const read = parseAllowList(tree, "list");

    expect(read.ok).toBe(false);
    expect(JSON.stringify(read)).toContain(words);
  });
});
