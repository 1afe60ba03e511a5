import { describe, expect, test } from "vitest";
import { labelledTexts } from "../../bench/secrets/labelled-texts.ts";
import { scoreTexts } from "../../bench/secrets/score.ts";
import { scanText } from "./scan-text.ts";

describe("secrets before publication", () => {
  test("of a labelled set nearly every secret is found, and hardly anything else", async () => {
    const texts = labelledTexts(7);

    const score = await scoreTexts(texts);

    expect(texts.length).toBeGreaterThan(300);
    expect(score.recall).toBeGreaterThan(0.98);
    expect(score.precision).toBeGreaterThan(0.98);
  });

  test("N1: a finding says where a secret is and how long, and never the secret", async () => {
    const secret = ["glpat", "aB3dE6gH9jK2mN5pQ8sT"].join("-");

    const findings = await scanText(`one\n  const t = "${secret}";\n`);

    expect(findings).toMatchObject([
      { kind: "secret", severity: "block", line: 2, column: 14, shown: "glpa… (26 characters)" },
    ]);
    expect(JSON.stringify(findings)).not.toContain(secret);
  });

  test("N2: what several rules see at one place is one finding", async () => {
    const secret = `sk-ant-api03-${"aB3-dE6_gH9".repeat(8)}aB3dEAA`;

    const findings = await scanText(`ANTHROPIC_API_KEY="${secret}"\n`, "x.env.txt");

    expect(findings.filter(({ kind }) => kind === "secret")).toHaveLength(1);
  });

  test("N3: a text too large to be looked at is a finding itself", async () => {
    const findings = await scanText("x".repeat(1024 * 1024 + 1));

    expect(findings).toMatchObject([{ rule: "too-large-to-scan", severity: "advise", line: null }]);
  });

  test.each([
    ["a name", 'token = "harbor-lantern-meadow"'],
    ["an expression", "token = session.token.value;"],
    ["a number of tokens", 'maxTokens: "8000000000000"'],
    ["a reference", 'password: "${DB_PASSWORD}"'],
    ["a file", 'secret = "/run/secrets/database-password"'],
  ])("%s under a secretive name is none", async (_what, text) => {
    expect(await scanText(text)).toEqual([]);
  });

  test("a key that spans lines is found when any of them is new", async () => {
    const key = `-----BEGIN PRIVATE KEY-----\n${"aB3dE6gH9jK2mN5pQ8sT".repeat(3)}\n-----END PRIVATE KEY-----\n`;

    expect(await scanText(key, "a.txt", new Set([2]))).toHaveLength(1);
    expect(await scanText(key, "a.txt", new Set([9]))).toEqual([]);
  });
});
