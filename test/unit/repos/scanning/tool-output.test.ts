/** What package managers and checkers print, in the shapes in which they print it. */
import { describe, expect, test } from "vitest";
import { type ProjectCommand, readToolRun } from "#repos";

const command = (purpose: ProjectCommand["purpose"], ...words: readonly string[]): ProjectCommand => ({
  purpose,
  command: words,
  program: words[0] ?? "",
  needsNetwork: true,
  source: "package.json",
});
const read = (of: ProjectCommand, output: string, exitCode = 1) => {
  const reading = readToolRun({ command: of, exitCode, output }, (path) => path === "src/a.ts");
  return reading.kind === "absent"
    ? reading.why
    : reading.findings.map(({ severity, effort, title, evidence }) => [
        severity,
        effort,
        title,
        evidence.split(": ").at(-1),
      ]);
};

const URL = "https://github.com/advisories/GHSA-xvch-5gv4-984h";
const via = { source: 1, name: "minimist", title: "Prototype Pollution in minimist", url: URL, severity: "critical" };
const npm = {
  auditReportVersion: 2,
  vulnerabilities: {
    minimist: { name: "minimist", severity: "critical", isDirect: true, via: [via], effects: [], range: "<1.2.6" },
    mkdirp: { name: "mkdirp", severity: "moderate", isDirect: false, via: ["minimist"], effects: [], range: "*" },
  },
  metadata: { vulnerabilities: { info: 0, low: 0, moderate: 1, high: 0, critical: 1, total: 2 } },
};
const pnpm = {
  actions: [],
  advisories: {
    "1097677": { id: 1097677, module_name: "minimist", severity: "moderate", title: "Pollution", url: URL },
  },
  muted: [],
  metadata: { vulnerabilities: { info: 0, low: 0, moderate: 1, high: 0, critical: 0 } },
};
const cargo = (list: readonly object[]) => ({
  database: { "advisory-count": 600 },
  lockfile: { "dependency-count": 4 },
  settings: { severity: null },
  vulnerabilities: { found: list.length > 0, count: list.length, list },
  warnings: { unmaintained: [{ kind: "unmaintained", package: { name: "old" }, advisory: null }] },
});
const lz4 = {
  advisory: { id: "RUSTSEC-2022-0051", package: "lz4-sys", title: "Memory corruption in liblz4", date: "2022-08-25" },
  versions: { patched: [">=1.9.4"] },
  package: { name: "lz4-sys", version: "1.9.3" },
};
const pip = {
  dependencies: [
    {
      name: "flask",
      version: "0.5",
      vulns: [{ id: "PYSEC-2019-179", fix_versions: ["1.0"], description: "Denial of service" }],
    },
    { name: "jinja2", version: "3.0.2", vulns: [] },
  ],
  fixes: [],
};

describe("an audit", () => {
  test.each<[string, ProjectCommand, string, unknown]>([
    [
      "of npm",
      command("audit", "npm", "audit", "--json"),
      JSON.stringify(npm, null, 2),
      [
        ["critical", "small", "minimist: Prototype Pollution in minimist", URL],
        ["medium", "small", "mkdirp: known to be vulnerable", "known to be vulnerable"],
      ],
    ],
    [
      "of pnpm",
      command("audit", "pnpm", "audit", "--json"),
      JSON.stringify(pnpm),
      [["medium", "small", "minimist: Pollution", URL]],
    ],
    [
      "of bun",
      command("audit", "bun", "audit", "--json"),
      JSON.stringify({
        minimist: [{ id: 1, url: URL, title: "Pollution", severity: "critical", vulnerable_versions: "<0.2.4" }],
      }),
      [["critical", "small", "minimist: Pollution", URL]],
    ],
    [
      "of pip, with what it says beside",
      command("audit", "python3", "-m", "pip_audit"),
      `Found 1 known vulnerability in 1 package\n${JSON.stringify(pip)}\n`,
      [["high", "small", "flask: Denial of service", "PYSEC-2019-179"]],
    ],
    [
      "of cargo",
      command("audit", "cargo", "audit", "--json"),
      JSON.stringify(cargo([lz4])),
      [["high", "small", "lz4-sys: Memory corruption in liblz4", "RUSTSEC-2022-0051"]],
    ],
    ["of cargo that found nothing", command("audit", "cargo", "audit", "--json"), JSON.stringify(cargo([])), []],
    ["of bun that found nothing", command("audit", "bun", "audit", "--json"), "No vulnerabilities found\n", []],
    [
      "of npm whose server does not do it",
      command("audit", "npm", "audit", "--json"),
      'npm warn audit 405 Method Not Allowed\n{ "message": "405 Method Not Allowed", "statusCode": 405 }\nnpm error audit endpoint returned an error\n',
      "npm audit --json: no network, or a server that does not answer",
    ],
    [
      "of bun whose server does not do it",
      command("audit", "bun", "audit", "--json"),
      "error: POST https://example.org/advisories/bulk - 405\n",
      "bun audit --json: its answer cannot be read",
    ],
    [
      "of a cargo that cannot",
      command("audit", "cargo", "audit", "--json"),
      "error: no such command: `audit`\n",
      "cargo audit --json: cargo, or what it starts, is not installed",
    ],
  ])("%s is read", (_name, of, output, expected) => {
    expect(read(of, output)).toEqual(expected);
  });
});

const TABLE = `bun outdated v1.3.1 (89fa0f34)
|---------------------------------------|
| Package        | Current | Update  | Latest |
|----------------|---------|---------|--------|
| lodash (dev)   | 4.17.15 | 4.17.15 | 4.18.1 |
|----------------|---------|---------|--------|
| @types/node    | 20.1.0  | 20.1.9  | 25.0.3 |
|---------------------------------------|
`;

describe("what is outdated", () => {
  test.each<[string, readonly string[], unknown, readonly unknown[]]>([
    [
      "npm with what is installed, and without",
      ["npm", "outdated", "--json"],
      {
        lodash: { current: "4.17.15", wanted: "4.17.15", latest: "4.18.1", dependent: "shop" },
        minimist: { wanted: "1.2.0", latest: "1.2.8", dependent: "shop" },
        // Of a checkout where nothing is installed, npm names what is up to date as well.
        semver: { wanted: "7.7.3", latest: "7.7.3", dependent: "shop" },
      },
      ["lodash 4.17.15 is behind 4.18.1", "minimist 1.2.0 is behind 1.2.8"],
    ],
    [
      "npm in several places of a workspace",
      ["npm", "outdated", "--json"],
      {
        lodash: [
          { current: "3.0.0", wanted: "3.10.1", latest: "4.18.1" },
          { current: "4.0.0", wanted: "4.0.0", latest: "4.18.1" },
        ],
      },
      ["lodash 3.0.0 is behind 4.18.1"],
    ],
    [
      "pnpm",
      ["pnpm", "outdated", "--format", "json"],
      {
        prisma: {
          current: "5.22.0",
          latest: "7.2.0",
          wanted: "5.22.0",
          isDeprecated: false,
          dependencyType: "devDependencies",
        },
      },
      ["prisma 5.22.0 is behind 7.2.0"],
    ],
    ["nothing", ["npm", "outdated", "--json"], {}, []],
    ["bun", ["bun", "outdated"], TABLE, ["lodash 4.17.15 is behind 4.18.1", "@types/node 20.1.0 is behind 25.0.3"]],
  ])("by %s is read", (_name, words, output, expected) => {
    const said = typeof output === "string" ? output : JSON.stringify(output, null, 2);
    const findings = read(command("outdated", ...words), said);

    expect(Array.isArray(findings) ? findings.map(([, , title]) => title) : findings).toEqual(expected);
  });
});
