/** Whether this node may sign what it builds from source: only said where somebody meant it to. */
import type { Finding } from "#cli";
import { type LocalKeyFacts, readLocalKey } from "../signing/local-key.ts";
import { finding } from "./finding.ts";

const SOON_MS = 30 * 24 * 3_600_000;

export function localKeyFindings(path: string, facts: LocalKeyFacts): readonly Finding[] {
  if (path === "") return [];
  const key = readLocalKey(path, facts);
  if (!key.ok) return [finding("builds from source", "warn", key.error.message, key.error.remedy ?? null)];
  const { notAfterMs } = key.value;
  const until = new Date(notAfterMs).toISOString().slice(0, 10);
  if (notAfterMs < facts.nowMs + SOON_MS) {
    const remedy = "Move the key and its certificate away, then: drover release-key";
    return [finding("builds from source", "warn", `the key that signs them ends on ${until}`, remedy)];
  }
  return [finding("builds from source", "ok", `allowed for whoever has this node's token, until ${until}`)];
}
