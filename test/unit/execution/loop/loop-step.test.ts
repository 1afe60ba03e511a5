import { describe, expect, it } from "vitest";
import { type LoopStep, MAX_STEP_CHARS, stepLine } from "../../../../src/execution/loop/loop-step.ts";

const token = `ghp_${"a".repeat(36)}`;
const steps: readonly LoopStep[] = [
  { kind: "resumed", round: 3 },
  { kind: "asked", round: 1, mode: "constrained" },
  {
    kind: "replied",
    round: 1,
    model: "qwen3:8b",
    endpoint: "gpu-1",
    promptTokens: 1_200,
    completionTokens: 80,
    costMicrodollars: 0,
    tookMs: 900,
    calls: 1,
    repairs: 0,
    text: `the token is ${token}\nand more ${"text ".repeat(100)}`,
  },
  { kind: "writing", chars: 5_000, text: `the token is ${token} and more` },
  { kind: "askFailed", reason: "503 busy", next: "again" },
  { kind: "called", tool: "run_command", call: `run_command curl -H "Authorization: Bearer ${token}"` },
  { kind: "observed", tool: "run_command", summary: "exit code 0\u001b[31m", error: null, tookMs: 12 },
  { kind: "fault", message: "path is missing" },
  { kind: "hint", pattern: "identical", tool: "read_file", times: 2 },
  { kind: "withheld", tool: "read_file", pattern: "cycle" },
  { kind: "constrained", pattern: "narration" },
  { kind: "nextModel", model: "qwen3:30b", pattern: null },
  { kind: "compacted", fromTokens: 7_000, toTokens: 4_000, contextTokens: 8_192 },
  { kind: "promptCut", expectedTokens: 9_000, seenTokens: 4_096 },
  { kind: "correction", round: 1, failedChecks: 2 },
  { kind: "ended", end: { kind: "iterations", limit: 10 } },
];

describe("the line of a step", () => {
  it.each(steps)("is short, on one line, printable and without secrets: $kind", (step) => {
    const line = stepLine(step);

    expect(line.length).toBeGreaterThan(5);
    expect(line.length).toBeLessThanOrEqual(MAX_STEP_CHARS);
    expect(line).not.toMatch(/[\n\r\u001b]/);
    expect(line).not.toContain(token.slice(0, 12));
  });

  it("says model, endpoint and tokens of a reply, and why a loop ended", () => {
    const lines = steps.map(stepLine);

    expect(lines[2]).toMatch(/^reply 1 of qwen3:8b on gpu-1: 1 calls, 1200\+80 tokens, 900 ms/);
    expect(lines.at(-1)).toContain("used all 10 iterations");
  });
});
