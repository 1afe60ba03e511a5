/** Bounds on JSON that hold before any schema looks at it. Pure. */
import { err, ok, type Result, refused } from "#base";

/** A JSON Schema inside a check inside a task inside a batch is about fifteen deep. */
export const MAX_JSON_DEPTH = 40;
/** Values in one body: a thousand tasks with a hundred fields each. */
export const MAX_JSON_VALUES = 100_000;

/** Parses JSON text within the bounds. The message says where the text stops being JSON. */
export function parseBoundedJson(text: string): Result<unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "it cannot be parsed";
    return err(refused("invalid", `the body is not JSON: ${reason}`, "Send one JSON document in UTF-8"));
  }
  return checkShape(value);
}

/** Walks without recursion, so that depth cannot exhaust the stack. */
function checkShape(root: unknown): Result<unknown> {
  const pending: { readonly value: object; readonly depth: number }[] = [];
  let count = 0;
  const visit = (value: unknown, depth: number): void => {
    count += 1;
    if (typeof value === "object" && value !== null) pending.push({ value, depth });
  };
  visit(root, 1);
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next.depth > MAX_JSON_DEPTH) {
      return err(refused("invalid", `the body is nested deeper than ${MAX_JSON_DEPTH} levels`, "Flatten it"));
    }
    for (const child of Object.values(next.value)) visit(child, next.depth + 1);
    if (count > MAX_JSON_VALUES) {
      return err(
        refused("too_large", `the body holds more than ${MAX_JSON_VALUES} values`, "Send it in several parts"),
      );
    }
  }
  return ok(root);
}
