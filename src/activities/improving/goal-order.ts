/** A finding as a goal: what is to be done, and how it is proved that it was. */
import type { JsonObject } from "#base";
import type { ProjectCommand } from "#repos";
import type { KnownFinding } from "./improvement.ts";
import type { NewGoal } from "./ports.ts";

/** A fix is one change of some lines; what needs more is no improvement that nobody asked for. */
const GOAL_TOKENS: Readonly<Record<KnownFinding["effort"], number>> = {
  small: 60_000,
  medium: 200_000,
  large: 600_000,
};
const MAX_TITLE_CHARS = 120;
/** A look at a large repository takes half a minute; its tests may take longer. */
const SCAN_TIMEOUT_MS = 300_000;
const TEST_TIMEOUT_MS = 1_800_000;

const TASKS: Readonly<Partial<Record<KnownFinding["kind"], string>>> = {
  "missing-test": "Write tests that exercise its behaviour and can fail. Do not change the code under test.",
  "dead-code": "Remove it, with what only it used. Change nothing else.",
  "duplicate-code": "Let one place have the code and the other use it. Behaviour stays the same.",
  note: "Do what the note says and remove it; if that is not possible, say why in the result and change nothing.",
  "large-file":
    "Split it by concept into files of their own. Behaviour stays the same, and so does what others import.",
  "missing-document": "Write it from what the repository holds. Invent nothing.",
  "failing-test": "Find out whether the test or the code is wrong, and mend that. Do not weaken or remove the test.",
  "type-error": "Mend the cause. Silence no checker.",
  "lint-error": "Mend the cause. Silence no checker.",
  "vulnerable-dependency": "Raise it to the lowest version that is not affected.",
  "outdated-dependency": "Raise it, and adapt what uses it.",
};

/** @param commands those of the repository; its tests are a part of the proof */
export function goalOf(finding: KnownFinding, n: number, commands: readonly ProjectCommand[]): NewGoal {
  const { kind, title, evidence, path, line, repository, fingerprint, effort, severity } = finding;
  const place = path === "" ? "the repository as a whole" : line === null ? path : `${path}:${line}`;
  const gone = `the finding ${fingerprint} (${kind}) is gone`;
  return {
    title: `${kind}: ${title}`.slice(0, MAX_TITLE_CHARS),
    description: [
      `Where: ${place}`,
      `What was seen: ${evidence}`,
      TASKS[kind] ?? "Mend it with the smallest change that does.",
      "Change nothing that this does not need.",
    ].join("\n"),
    priority: severity === "critical" || severity === "high" ? "normal" : "background",
    successCriteria: [gone, "behaviour that was tested before stays as it was"],
    verify: checksOf(finding, commands),
    repository,
    budget: { tokens: GOAL_TOKENS[effort], costMicrodollars: null },
    channel: "improver",
    labels: { "drover.mind": "improve", "drover.finding": fingerprint },
    idempotencyKey: `improve:${repository}:${fingerprint}:${n}`,
  };
}

/** Tools that said so say whether it is gone; our own look does for the rest. */
function checksOf(
  { source, kind, rule, fingerprint }: KnownFinding,
  commands: readonly ProjectCommand[],
): JsonObject[] {
  const check = (
    name: "command_succeeds" | "test_passes",
    command: readonly string[],
    timeoutMs: number,
  ): JsonObject => ({
    kind: name,
    command: [...command],
    timeoutMs,
  });
  const test = commands.find(({ purpose }) => purpose === "test");
  const checks: JsonObject[] = [];
  if (source === "scan") {
    // By the variable the program is found inside the sandbox, wherever it is installed on the node that does it.
    const look = `exec \${DROVER_PROGRAM:-drover} improvement scan . --working-tree --expect-gone ${fingerprint}`;
    checks.push(check("command_succeeds", ["sh", "-c", look], SCAN_TIMEOUT_MS));
  } else if (source === "tool" && kind !== "failing-test") {
    const own = commands.find(({ purpose, needsNetwork }) => purpose === rule && !needsNetwork);
    if (own !== undefined) checks.push(check("command_succeeds", own.command, TEST_TIMEOUT_MS));
  }
  if (test !== undefined) checks.push(check("test_passes", test.command, TEST_TIMEOUT_MS));
  return checks;
}
