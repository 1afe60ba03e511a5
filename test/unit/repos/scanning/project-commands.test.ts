import { describe, expect, test } from "vitest";
import { projectCommands } from "#repos";

type Files = Readonly<Record<string, string>>;

/** `purpose: command` of each. */
const found = (files: Files): readonly string[] =>
  projectCommands(new Map(Object.entries(files)), new Set(Object.keys(files))).map(
    ({ purpose, command }) => `${purpose}: ${command.join(" ")}`,
  );
const manifest = (more: object): string => JSON.stringify({ private: true, ...more });
const DEPENDS = { dependencies: { lodash: "4.17.21" } };

describe("the commands by which a repository checks itself", () => {
  test.each<[string, Files, readonly string[]]>([
    ["none where nothing is written", { "README.md": "" }, []],
    ["none of a manifest that cannot be read", { "package.json": "{" }, []],
    [
      "no test where npm wrote that there is none",
      { "package.json": manifest({ scripts: { test: "echo no test specified" } }) },
      [],
    ],
    [
      "npm's scripts and audits",
      { "package.json": manifest({ scripts: { test: "x", lint: "y" }, ...DEPENDS }) },
      ["test: npm run test", "lint: npm run lint", "audit: npm audit --json", "outdated: npm outdated --json"],
    ],
    [
      "pnpm's, by its lock file, its own check of types first",
      {
        "package.json": manifest({ scripts: { typecheck: "tsc" }, ...DEPENDS }),
        "pnpm-lock.yaml": "",
        "tsconfig.json": "{}",
      },
      ["types: pnpm run typecheck", "audit: pnpm audit --json", "outdated: pnpm outdated --format json"],
    ],
    [
      "bun's, by what the manifest names",
      { "package.json": manifest({ packageManager: "bun@1.3.0", ...DEPENDS }), "tsconfig.json": "{}" },
      ["types: npx --no-install tsc --noEmit --pretty false", "audit: bun audit --json", "outdated: bun outdated"],
    ],
    [
      "make's targets, and no assignments",
      { Makefile: "test := 1\ncheck: all\n\tx\nlint:\n\ty\n" },
      ["test: make check", "lint: make lint"],
    ],
    [
      "python's, by what is configured",
      { "pyproject.toml": "[tool.pytest.ini_options]\n[tool.ruff]\n", "test_a.py": "", "requirements.txt": "flask\n" },
      [
        "test: python3 -m pytest -q --tb=line",
        "lint: python3 -m ruff check --output-format concise .",
        "audit: python3 -m pip_audit -r requirements.txt -f json",
      ],
    ],
    [
      "cargo's, an audit only with a lock file",
      { "Cargo.toml": "[package]\n" },
      [
        "test: cargo test --offline --message-format short",
        "types: cargo check --offline --message-format short",
        "lint: cargo clippy --offline --message-format short",
      ],
    ],
  ])("are %s", (_name, files, expected) => {
    expect(found(files)).toEqual(expected);
  });
});
