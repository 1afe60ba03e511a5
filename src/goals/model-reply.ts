import type { z } from "zod";
import { err, ok, type Result } from "#base";
import { MAX_REPLY_CHARS } from "./limits.ts";

/** Faults that a model is told at once; with more it mends none. */
const MAX_FAULTS = 10;

/**
 * Reads what a model was asked for in a form. @returns it, or every fault with its place, in words that the model can act
 * on.
 */
export function readModelReply<T>(reply: string, schema: z.ZodType<T>): Result<T, readonly string[]> {
  const value = jsonInReply(reply);
  if (!value.ok) return err([value.error]);
  const parsed = schema.safeParse(value.value);
  return parsed.success ? ok(parsed.data) : err(parsed.error.issues.slice(0, MAX_FAULTS).map(describeIssue));
}

function describeIssue({ path, message }: z.core.$ZodIssue): string {
  return `${path.length === 0 ? "the object" : path.map(String).join(".")}: ${message}`;
}

/**
 * Finds the one JSON object that a model was asked for: the reply as a whole, the last fenced block, or from the first
 * brace to the last one. @returns the value, or what is wrong in words that the model can act on.
 */
function jsonInReply(reply: string): Result<unknown, string> {
  const text = reply.trim();
  if (text === "") return err("the reply was empty; reply with one JSON object");
  if (text.length > MAX_REPLY_CHARS)
    return err(`the reply has ${text.length} characters; at most ${MAX_REPLY_CHARS} are read`);
  const fenced = [...text.matchAll(/```(?:json)?[ \t]*\n([\s\S]*?)```/gi)].at(-1)?.[1];
  const first = text.indexOf("{");
  const last = text.lastIndexOf("}");
  const braced = first >= 0 && last > first ? text.slice(first, last + 1) : undefined;
  let why = "";
  for (const candidate of [text, fenced, braced]) {
    if (candidate === undefined) continue;
    try {
      const value: unknown = JSON.parse(candidate);
      if (typeof value === "object" && value !== null && !Array.isArray(value)) return ok(value);
      why ||= "it is JSON, but no object";
    } catch (cause) {
      why = cause instanceof Error ? cause.message : String(cause);
    }
  }
  if (first < 0) return err("the reply holds no JSON object; reply with one JSON object and nothing else");
  return err(`the reply is not valid JSON: ${why.slice(0, 200)}. Reply with one JSON object and nothing else`);
}
