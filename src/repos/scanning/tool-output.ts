/** What the commands of a repository say, read into findings. Output that nobody understands is one finding, never none. */
import type { ProjectCommand } from "./project-commands.ts";
import type { ScanKind, ScanSeverity, Sighted } from "./scan-finding.ts";

export type ToolRun = {
  readonly command: ProjectCommand;
  /** Null when it was ended from outside. */
  readonly exitCode: number | null;
  /** Standard output and error, as they came. */
  readonly output: string;
};

export type ToolReading =
  | { readonly kind: "findings"; readonly findings: readonly Sighted[] }
  /** It could not do its work, and says nothing about the repository. */
  | { readonly kind: "absent"; readonly why: string };

const MAX_FINDINGS = 200;
const SHOWN_CHARS = 400;
/** A place stands at the beginning of a line. What a repository's code writes is longer only to hold up who reads it. */
const MAX_LINE_CHARS = 2_000;

/** Not found, or cannot be executed, by POSIX; and how programs of a package say that they are not there. */
const NOT_THERE =
  /(?:command not found|not found: |No module named |no such (?:command|subcommand)|is not recognized|could not determine executable|ENOENT|executable file not found)/i;
const NO_NETWORK =
  /(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|getaddrinfo|network is unreachable|could not resolve host|Temporary failure in name resolution|ConnectionRefused|ConnectionError|failed to fetch|audit endpoint returned an error|dial tcp|offline was specified|no matching package named)/i;

const KINDS: Readonly<Record<ProjectCommand["purpose"], readonly [ScanKind, ScanSeverity]>> = {
  test: ["failing-test", "high"],
  types: ["type-error", "high"],
  lint: ["lint-error", "low"],
  "dead-code": ["dead-code", "low"],
  audit: ["vulnerable-dependency", "high"],
  outdated: ["outdated-dependency", "low"],
};

/** @param exists whether a path is a file of the repository: what a tool says about others is none of it */
export function readToolRun(run: ToolRun, exists: (path: string) => boolean): ToolReading {
  const { command, exitCode, output } = run;
  const said = command.command.join(" ");
  if (exitCode === null) return { kind: "absent", why: `${said} was ended before it was done` };
  if (exitCode === 126 || exitCode === 127 || (exitCode !== 0 && NOT_THERE.test(output.slice(0, 4_000)))) {
    return { kind: "absent", why: `${said}: ${command.program}, or what it starts, is not installed` };
  }
  if (exitCode !== 0 && NO_NETWORK.test(output)) {
    return { kind: "absent", why: `${said}: no network, or a server that does not answer` };
  }
  if (command.purpose === "audit") return readAudit(command, output);
  if (command.purpose === "outdated") return readOutdated(command, output);
  if (exitCode === 0) return { kind: "findings", findings: [] };
  const placed = placesIn(output, command, exists);
  return { kind: "findings", findings: placed.length > 0 ? placed : [unplaced(run)] };
}

/** `path:line:column: message` and `path(line,column): message`, as compilers write since ever. */
const PLACES = [
  /^\s*(?:(?:-->|error|warning|:)[:\s]*)?(?<path>[\w@./+-]+\.[A-Za-z]{1,5}):(?<line>\d+)(?::\d+)?:?\s+(?<text>\S.*)$/,
  /^(?<path>[\w@./+-]+\.[A-Za-z]{1,5})\((?<line>\d+),\d+\):\s+(?<text>\S.*)$/,
  /^\s*-->\s+(?<path>[\w@./+-]+\.[A-Za-z]{1,5}):(?<line>\d+):\d+(?<text>)$/,
  /^\s*at (?:.*[^\w@./+-])?(?<path>[\w@./+-]+\.[cm]?[jt]sx?):(?<line>\d+):\d+\)?(?<text>)$/,
];

function placesIn(
  output: string,
  { purpose, command }: ProjectCommand,
  exists: (path: string) => boolean,
): readonly Sighted[] {
  const [kind, severity] = KINDS[purpose];
  const seen = new Set<string>();
  const findings: Sighted[] = [];
  let before = "";
  for (const whole of plain(output).split("\n")) {
    const line = whole.slice(0, MAX_LINE_CHARS);
    const groups = PLACES.map((pattern) => pattern.exec(line)?.groups).find((found) => found !== undefined);
    const path = relative(groups?.["path"] ?? "", exists);
    if (groups === undefined || path === undefined) {
      if (line.trim() !== "") before = line.trim();
      continue;
    }
    const text = groups["text"] === undefined || groups["text"] === "" ? before : groups["text"];
    // Of one failed test the first place that is ours is enough.
    const key = purpose === "test" ? path : `${path}\0${text}`;
    if (seen.has(key)) continue;
    seen.add(key);
    findings.push({
      kind,
      rule: purpose,
      path,
      line: Number(groups["line"]),
      severity,
      effort: purpose === "lint" ? "small" : "medium",
      title: text,
      evidence: `${command.join(" ")}\n${line.trim().slice(0, SHOWN_CHARS)}`,
      subject: purpose === "test" ? "" : text.replaceAll(/\d+/g, "#"),
    });
    if (findings.length >= MAX_FINDINGS) break;
  }
  return findings;
}

/** Tools run in a folder of their own and say whole paths; the longest end that is a file is meant. */
function relative(path: string, exists: (path: string) => boolean): string | undefined {
  const steps = path.replace(/^\.\//, "").split("/");
  for (let skip = 0; skip < steps.length; skip += 1) {
    const rest = steps.slice(skip).join("/");
    if (rest !== "" && exists(rest)) return rest;
  }
  return undefined;
}

function unplaced({ command: { purpose, command }, exitCode, output }: ToolRun): Sighted {
  const [kind, severity] = KINDS[purpose];
  const lines = plain(output)
    .split("\n")
    .filter((line) => line.trim() !== "");
  const first = lines.find((line) => /\b(?:error|fail(?:ed|ure)?|panic|exception)\b/i.test(line)) ?? lines.at(-1) ?? "";
  return {
    kind,
    rule: purpose,
    path: "",
    line: null,
    severity,
    effort: "medium",
    title: `${command.join(" ")} ends with ${exitCode}`,
    evidence: first.trim().slice(0, SHOWN_CHARS),
    subject: purpose,
  };
}

function plain(output: string): string {
  return output.replaceAll(/\u001b\[[0-9;]*m/g, "").replaceAll("\r", "");
}

type Loose = Readonly<Record<string, unknown>>;

function objectOf(value: unknown): Loose {
  // `as`: each value is looked at before it is used.
  return typeof value === "object" && value !== null ? (value as Loose) : {};
}

function textAt(value: unknown, name: string): string {
  const found = objectOf(value)[name];
  return typeof found === "string" ? found : "";
}

function jsonIn(output: string): unknown {
  const start = output.search(/[[{]/);
  if (start === -1) return undefined;
  const end = Math.max(output.lastIndexOf("}"), output.lastIndexOf("]"));
  try {
    return JSON.parse(output.slice(start, end + 1));
  } catch {
    return undefined;
  }
}

const SEVERITIES: Readonly<Record<string, ScanSeverity>> = {
  critical: "critical",
  high: "high",
  moderate: "medium",
  medium: "medium",
  low: "low",
  info: "low",
};

/** npm, pnpm and bun; pip-audit; cargo audit. */
function readAudit(command: ProjectCommand, output: string): ToolReading {
  const json = jsonIn(output);
  if (json === undefined) {
    return /no (?:known )?vulnerabilit/i.test(output)
      ? { kind: "findings", findings: [] }
      : { kind: "absent", why: `${command.command.join(" ")}: its answer cannot be read` };
  }
  const found = [...npmAudit(json), ...bunAudit(json), ...pipAudit(json), ...cargoAudit(json)];
  return {
    kind: "findings",
    findings: found.slice(0, MAX_FINDINGS).map(({ name, severity, title, id }) => ({
      kind: "vulnerable-dependency",
      rule: "audit",
      path: command.source,
      line: null,
      severity,
      effort: "small",
      title: `${name}: ${title}`,
      evidence: `${command.command.join(" ")}: ${id === "" ? title : id}`,
      subject: `${name} ${id}`,
    })),
  };
}

type Vulnerability = {
  readonly name: string;
  readonly severity: ScanSeverity;
  readonly title: string;
  readonly id: string;
};

function vulnerability(name: string, severity: string, title: string, id: string): Vulnerability {
  return { name, severity: SEVERITIES[severity] ?? "high", title: title === "" ? "known to be vulnerable" : title, id };
}

function npmAudit(json: unknown): readonly Vulnerability[] {
  // cargo has figures and a list under the same name.
  const listed = Object.entries(objectOf(objectOf(json)["vulnerabilities"]));
  const named = listed.filter(([, value]) => textAt(value, "severity") !== "");
  const own = named.map(([name, value]) => {
    const via = objectOf(value)["via"];
    const first: unknown = Array.isArray(via) ? via.find((one) => typeof one === "object") : undefined;
    return vulnerability(name, textAt(value, "severity"), textAt(first, "title"), textAt(first, "url"));
  });
  const advisories = Object.values(objectOf(objectOf(json)["advisories"])).map((value) =>
    vulnerability(
      textAt(value, "module_name"),
      textAt(value, "severity"),
      textAt(value, "title"),
      textAt(value, "url"),
    ),
  );
  return Array.isArray(objectOf(json)["dependencies"]) ? [] : [...own, ...advisories];
}

/** `{ name: [ { severity, title, url } ] }` */
function bunAudit(json: unknown): readonly Vulnerability[] {
  return Object.entries(objectOf(json)).flatMap(([name, list]) =>
    Array.isArray(list)
      ? list
          .filter((one) => textAt(one, "title") !== "" && textAt(one, "severity") !== "")
          .map((one) => vulnerability(name, textAt(one, "severity"), textAt(one, "title"), textAt(one, "url")))
      : [],
  );
}

function pipAudit(json: unknown): readonly Vulnerability[] {
  const list = objectOf(json)["dependencies"];
  if (!Array.isArray(list)) return [];
  return list.flatMap((one: unknown) => {
    const found = objectOf(one)["vulns"];
    return Array.isArray(found)
      ? found.map((vuln: unknown) =>
          vulnerability(textAt(one, "name"), "high", textAt(vuln, "description").slice(0, 100), textAt(vuln, "id")),
        )
      : [];
  });
}

function cargoAudit(json: unknown): readonly Vulnerability[] {
  const list = objectOf(objectOf(json)["vulnerabilities"])["list"];
  if (!Array.isArray(list)) return [];
  return list.map((one: unknown) => {
    const advisory = objectOf(one)["advisory"];
    return vulnerability(textAt(advisory, "package"), "high", textAt(advisory, "title"), textAt(advisory, "id"));
  });
}

/** npm's JSON, and bun's table. */
function readOutdated(command: ProjectCommand, output: string): ToolReading {
  const json = jsonIn(output);
  const fromJson = Object.entries(objectOf(json)).flatMap(([name, value]) => {
    // One that is used in several places of a workspace is a list, one place after the other.
    const one: unknown = Array.isArray(value) ? value[0] : value;
    // A fresh checkout has nothing installed: what would be is what counts.
    const installed = textAt(one, "current");
    const [current, latest] = [installed === "" ? textAt(one, "wanted") : installed, textAt(one, "latest")];
    return latest === "" ? [] : [{ name, current, latest }];
  });
  const fromTable = [
    ...plain(output).matchAll(
      /^[|│]\s*(?<name>[\w@/.-]+)[^|│]*[|│]\s*(?<current>\d[^\s|│]*)\s*[|│]\s*\S+\s*[|│]\s*(?<latest>\d[^\s|│]*)\s*[|│]/gm,
    ),
  ].map(({ groups }) => ({
    name: groups?.["name"] ?? "",
    current: groups?.["current"] ?? "",
    latest: groups?.["latest"] ?? "",
  }));
  const behind = [...fromJson, ...fromTable].filter(({ current, latest }) => current !== latest);
  return {
    kind: "findings",
    findings: behind.slice(0, MAX_FINDINGS).map(({ name, current, latest }) => {
      const isMajor = current.split(".")[0] !== latest.split(".")[0];
      return {
        kind: "outdated-dependency",
        rule: "outdated",
        path: command.source,
        line: null,
        severity: "low",
        effort: isMajor ? "medium" : "small",
        title: `${name} ${current === "" ? "" : `${current} `}is behind ${latest}`,
        evidence: `${command.command.join(" ")}: ${name} ${current} → ${latest}`,
        subject: name,
      };
    }),
  };
}
