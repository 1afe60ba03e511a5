/** By which commands a repository checks itself, found in its own files. Nothing is guessed that is not written there. */

export const COMMAND_PURPOSES = ["test", "types", "lint", "dead-code", "audit", "outdated"] as const;
export type CommandPurpose = (typeof COMMAND_PURPOSES)[number];

export type ProjectCommand = {
  readonly purpose: CommandPurpose;
  readonly command: readonly string[];
  /** The program that has to be installed. */
  readonly program: string;
  /** Whether it asks a server: such a command fails without a network, and that is no finding. */
  readonly needsNetwork: boolean;
  /** Where it was found. */
  readonly source: string;
};

/** Files that are read for it, at the top of the repository. */
export const MANIFESTS = [
  "package.json",
  "Makefile",
  "makefile",
  "justfile",
  "pyproject.toml",
  "setup.cfg",
  "tox.ini",
  "Cargo.toml",
  "go.mod",
] as const;

/** What a person registered, each for the purpose that it serves; a build says what a check of types says. */
const REGISTERED = [
  ["test", "test"],
  ["types", "build"],
  ["lint", "lint"],
] as const;

/** As they were registered; a check that is missing is none. */
export type RegisteredChecks = Readonly<Partial<Record<"test" | "build" | "lint", readonly string[] | undefined>>>;

/** @returns the commands with those that a person registered in place of what was found for the same purpose. */
export function preferRegistered(
  checks: RegisteredChecks,
  found: readonly ProjectCommand[],
): readonly ProjectCommand[] {
  const own = REGISTERED.flatMap(([purpose, name]): readonly ProjectCommand[] => {
    const command = checks[name];
    const program = command?.[0];
    if (command === undefined || program === undefined) return [];
    return [{ purpose, command, program, needsNetwork: false, source: "registration" }];
  });
  return [...own, ...found.filter(({ purpose }) => own.every((one) => one.purpose !== purpose))];
}

const SCRIPTS: readonly (readonly [CommandPurpose, readonly string[]])[] = [
  ["test", ["test", "test:unit", "tests"]],
  ["types", ["typecheck", "type-check", "types", "tsc", "check:types"]],
  ["lint", ["lint", "eslint", "lint:check", "check:lint"]],
  ["dead-code", ["knip", "dead-code", "unused", "ts-prune"]],
];
/** What `npm init` writes there: it fails by design. */
const NO_TEST = /no test specified/i;

/** @param texts those of {@link MANIFESTS} that exist @param paths all files */
export function projectCommands(
  texts: ReadonlyMap<string, string>,
  paths: ReadonlySet<string>,
): readonly ProjectCommand[] {
  const found = [
    ...scriptsOf(texts, paths),
    ...targetsOf(texts),
    ...pythonCommands(texts, paths),
    ...cargoCommands(texts, paths),
    ...goCommands(texts),
  ];
  // The first of a purpose and program wins: a package's own script over a tool that is merely configured.
  const seen = new Set<string>();
  return found.filter(({ purpose, program }) => {
    const isAudit = purpose === "audit" || purpose === "outdated";
    const key = isAudit ? `${purpose} ${program}` : purpose;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function scriptsOf(texts: ReadonlyMap<string, string>, paths: ReadonlySet<string>): readonly ProjectCommand[] {
  const text = texts.get("package.json");
  if (text === undefined) return [];
  const manifest = parsed(text);
  if (manifest === undefined) return [];
  const scripts = recordOf(manifest["scripts"]);
  const manager = managerOf(manifest, paths);
  const source = "package.json";
  const own = SCRIPTS.flatMap(([purpose, names]): readonly ProjectCommand[] => {
    const name = names.find((one) => typeof scripts[one] === "string" && !NO_TEST.test(scripts[one]));
    if (name === undefined) return [];
    return [{ purpose, command: [manager, "run", name], program: manager, needsNetwork: false, source }];
  });
  const typescript: readonly ProjectCommand[] = paths.has("tsconfig.json")
    ? [
        {
          purpose: "types",
          command: ["npx", "--no-install", "tsc", "--noEmit", "--pretty", "false"],
          program: "npx",
          needsNetwork: false,
          source: "tsconfig.json",
        },
      ]
    : [];
  const dependencies = ["dependencies", "devDependencies"].some(
    (key) => Object.keys(recordOf(manifest[key])).length > 0,
  );
  return [...own, ...typescript, ...(dependencies ? auditsOf(manager) : [])];
}

function managerOf(manifest: Readonly<Record<string, unknown>>, paths: ReadonlySet<string>): string {
  const named = typeof manifest["packageManager"] === "string" ? manifest["packageManager"].split("@")[0] : undefined;
  if (named !== undefined && ["npm", "pnpm", "yarn", "bun"].includes(named)) return named;
  if (paths.has("bun.lock") || paths.has("bun.lockb")) return "bun";
  if (paths.has("pnpm-lock.yaml")) return "pnpm";
  if (paths.has("yarn.lock")) return "yarn";
  return "npm";
}

function auditsOf(manager: string): readonly ProjectCommand[] {
  const ask = (purpose: CommandPurpose, command: readonly string[]): ProjectCommand => ({
    purpose,
    command,
    program: manager,
    needsNetwork: true,
    source: "package.json",
  });
  switch (manager) {
    case "bun":
      return [ask("audit", ["bun", "audit", "--json"]), ask("outdated", ["bun", "outdated"])];
    case "pnpm":
      return [ask("audit", ["pnpm", "audit", "--json"]), ask("outdated", ["pnpm", "outdated", "--format", "json"])];
    case "npm":
      return [ask("audit", ["npm", "audit", "--json"]), ask("outdated", ["npm", "outdated", "--json"])];
    default:
      return [];
  }
}

const TARGET = /^(?<name>[A-Za-z][\w-]*)[^:=\n]*:(?!=)/gm;

function targetsOf(texts: ReadonlyMap<string, string>): readonly ProjectCommand[] {
  const [source, text] =
    ["Makefile", "makefile", "justfile"]
      .map((name) => [name, texts.get(name)] as const)
      .find(([, one]) => one !== undefined) ?? [];
  if (source === undefined || text === undefined) return [];
  const program = source === "justfile" ? "just" : "make";
  const targets = new Set([...text.matchAll(TARGET)].map(({ groups }) => groups?.["name"] ?? ""));
  return SCRIPTS.flatMap(([purpose, names]): readonly ProjectCommand[] => {
    const name =
      names.find((one) => targets.has(one)) ?? (purpose === "test" && targets.has("check") ? "check" : undefined);
    return name === undefined ? [] : [{ purpose, command: [program, name], program, needsNetwork: false, source }];
  });
}

function pythonCommands(texts: ReadonlyMap<string, string>, paths: ReadonlySet<string>): readonly ProjectCommand[] {
  const text = ["pyproject.toml", "setup.cfg", "tox.ini"].map((name) => texts.get(name) ?? "").join("\n");
  const has = (...words: readonly string[]): boolean => words.some((word) => text.includes(word));
  const run = (purpose: CommandPurpose, module: string, args: readonly string[], source: string): ProjectCommand => ({
    purpose,
    command: ["python3", "-m", module, ...args],
    program: "python3",
    needsNetwork: false,
    source,
  });
  const isPython =
    texts.has("pyproject.toml") || texts.has("setup.cfg") || paths.has("requirements.txt") || paths.has("setup.py");
  if (!isPython) return [];
  const tests = [...paths].some((path) => /(?:^|\/)(?:test_[^/]+|[^/]+_test)\.py$/.test(path));
  const usesPytest = has("pytest") || paths.has("pytest.ini") || paths.has("conftest.py");
  return [
    ...(tests && usesPytest ? [run("test", "pytest", ["-q", "--tb=line"], "pyproject.toml")] : []),
    ...(tests && !usesPytest ? [run("test", "unittest", ["discover"], "test files")] : []),
    ...(has("[tool.mypy", "[mypy]") || paths.has("mypy.ini") ? [run("types", "mypy", ["."], "mypy settings")] : []),
    ...(has("[tool.ruff") || paths.has("ruff.toml")
      ? [run("lint", "ruff", ["check", "--output-format", "concise", "."], "ruff settings")]
      : []),
    ...(has("[tool.vulture") ? [run("dead-code", "vulture", ["."], "pyproject.toml")] : []),
    ...(paths.has("requirements.txt")
      ? [
          {
            ...run("audit", "pip_audit", ["-r", "requirements.txt", "-f", "json"], "requirements.txt"),
            needsNetwork: true,
          },
        ]
      : []),
  ];
}

function cargoCommands(texts: ReadonlyMap<string, string>, paths: ReadonlySet<string>): readonly ProjectCommand[] {
  if (!texts.has("Cargo.toml")) return [];
  const run = (purpose: CommandPurpose, args: readonly string[], needsNetwork = false): ProjectCommand => ({
    purpose,
    command: ["cargo", ...args],
    program: "cargo",
    needsNetwork,
    source: "Cargo.toml",
  });
  return [
    run("test", ["test", "--offline", "--message-format", "short"]),
    run("types", ["check", "--offline", "--message-format", "short"]),
    run("lint", ["clippy", "--offline", "--message-format", "short"]),
    ...(paths.has("Cargo.lock") ? [run("audit", ["audit", "--json"], true)] : []),
  ];
}

function goCommands(texts: ReadonlyMap<string, string>): readonly ProjectCommand[] {
  if (!texts.has("go.mod")) return [];
  const run = (purpose: CommandPurpose, command: readonly string[]): ProjectCommand => ({
    purpose,
    command,
    program: command[0] ?? "go",
    needsNetwork: false,
    source: "go.mod",
  });
  return [
    run("test", ["go", "test", "./..."]),
    run("types", ["go", "build", "./..."]),
    run("lint", ["go", "vet", "./..."]),
    { ...run("audit", ["govulncheck", "-json", "./..."]), needsNetwork: true },
  ];
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return recordOf(JSON.parse(text));
  } catch {
    return undefined; // a manifest that cannot be read says nothing; its own tools will complain
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  // `as`: an object is read by names, each value is looked at before it is used.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}
