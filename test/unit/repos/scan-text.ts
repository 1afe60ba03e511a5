import { createHash } from "node:crypto";
import { type Finding, scanFile } from "#repos";

/** @returns what stands in the way of publishing `text` as a file of its own. */
export function scanText(
  text: string,
  path = "src/a.ts",
  newLines?: ReadonlySet<number>,
  watched: readonly string[] = [],
): Promise<readonly Finding[]> {
  const digest = (of: string): string => createHash("sha256").update(of).digest("hex");
  return scanFile(
    { path, text, bytes: text.length, ...(newLines === undefined ? {} : { newLines }) },
    { watched, digest },
  );
}
