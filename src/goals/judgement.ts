import { z } from "zod";
import { err, ok, type Result } from "#base";
import type { GoalVerdict } from "./goal.ts";
import { MAX_CRITERIA, MAX_REASON_CHARS } from "./limits.ts";
import { readModelReply } from "./model-reply.ts";

const schema = z.strictObject({
  criteria: z
    .array(z.strictObject({ n: z.int().min(1), met: z.boolean(), why: z.string().max(MAX_REASON_CHARS) }))
    .max(MAX_CRITERIA),
});

/** @returns what a model says of each criterion, or every fault of its reply in words that it can act on. */
export function readJudgement(
  reply: string,
  criteria: readonly string[],
): Result<GoalVerdict["criteria"], readonly string[]> {
  const read = readModelReply(reply, schema);
  if (!read.ok) return read;
  const faults: string[] = [];
  const verdict = criteria.map((criterion, index) => {
    const said = read.value.criteria.filter(({ n }) => n === index + 1);
    if (said.length !== 1) faults.push(`criterion ${index + 1} is judged ${said.length} times, not once`);
    return { criterion, met: said[0]?.met === true, why: said[0]?.why ?? "" };
  });
  for (const { n } of read.value.criteria) if (n > criteria.length) faults.push(`there is no criterion ${n}`);
  return faults.length > 0 ? err(faults) : ok(verdict);
}
