/** The rules of secretlint, which are kept up to date with what the services of the world hand out. */
import { lintSource } from "@secretlint/core";
import { creator } from "@secretlint/secretlint-rule-preset-recommend";
import type { Sighting } from "./finding.ts";

const CONFIG = { rules: [{ id: "recommended", rule: creator }] };

/** @returns what secretlint finds in `text`; a promise, because its rules may be asynchronous. It reads no file. */
export async function seeKnownSecrets(text: string, path: string): Promise<readonly Sighting[]> {
  const ending = /\.[^./]+$/.exec(path)?.[0] ?? "";
  const { messages } = await lintSource({
    source: { content: text, filePath: path, ext: ending, contentType: "text" },
    options: { config: CONFIG, noPhysicFilePath: true },
  });
  return messages.map(({ ruleId, range: [start, end] }) => ({
    kind: "secret",
    rule: ruleId.replace(/^.*secretlint-rule-/, ""),
    severity: "block",
    start,
    end,
  }));
}
