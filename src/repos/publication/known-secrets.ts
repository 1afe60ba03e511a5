/** The rules of secretlint, which are kept up to date with what the services of the world hand out. */
import type { Sighting } from "./finding.ts";

/** @returns what secretlint finds in `text`; a promise, because its rules may be asynchronous. It reads no file. */
export async function seeKnownSecrets(text: string, path: string): Promise<readonly Sighting[]> {
  const ending = /\.[^./]+$/.exec(path)?.[0] ?? "";
  // Loaded when something is to be looked through: a node that publishes nothing starts without them.
  const [{ lintSource }, { creator }] = await Promise.all([
    import("@secretlint/core"),
    import("@secretlint/secretlint-rule-preset-recommend"),
  ]);
  const { messages } = await lintSource({
    source: { content: text, filePath: path, ext: ending, contentType: "text" },
    options: { config: { rules: [{ id: "recommended", rule: creator }] }, noPhysicFilePath: true },
  });
  return messages.map(({ ruleId, range: [start, end] }) => ({
    kind: "secret",
    rule: ruleId.replace(/^.*secretlint-rule-/, ""),
    severity: "block",
    start,
    end,
  }));
}
