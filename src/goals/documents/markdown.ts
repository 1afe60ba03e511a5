/** Goals as Markdown: what is exact stands in a front matter of YAML, what is to be read below it. */
import { parse, stringify } from "yaml";
import { err, type JsonObject, type JsonValue, ok, type Result } from "#base";
import { type Document, documentFault, isKind, MAX_DOCUMENT_CHARS } from "./document.ts";

const FENCE = "---";
/**
 * All that a goal may hold fits, besides its description. The time that a reader of YAML takes grows with the square of
 * what is wrong, or of the keys of one map.
 */
const MAX_FRONT_CHARS = 64 * 1024;
const CRITERIA = /^#{2,3} (?:success criteria|acceptance criteria|done when)\s*$/i;
const BULLET = /^\s{0,3}(?:[-*+]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?(.+)$/;

export function writeMarkdown({ kind, body }: Document): string {
  const { description, ...rest } = body;
  // What a reader would not see, or would take for something else, is exact in the front matter alone.
  const isBelow = typeof description === "string" && description === description.trim() && !/\r/.test(description);
  const front: JsonObject = {
    kind,
    ...(isBelow ? rest : body),
    // Said, so that no heading below is taken for them.
    ...("successCriteria" in body ? {} : { successCriteria: [] }),
  };
  const text = isBelow && description !== "" ? `\n${description}\n` : "";
  // Without block texts: the library writes one that begins with a blank line so that the blanks are lost.
  const how = { lineWidth: 0, aliasDuplicateObjects: false, blockQuote: false } as const;
  return `${FENCE}\n${stringify(front, how)}${FENCE}\n${text}`;
}

/**
 * Reads a goal. Without a title in the front matter the first heading is it; without criteria there, the list below a
 * heading "Success criteria" is. The rest is the description.
 */
export function readMarkdown(text: string): Result<Document, string> {
  if (text.length > MAX_DOCUMENT_CHARS) return err(`it is longer than ${MAX_DOCUMENT_CHARS} characters`);
  const split = frontMatterOf(text.startsWith("\uFEFF") ? text.slice(1) : text);
  if (!split.ok) return split;
  const { kind = "goal", ...front } = split.value.front;
  if (typeof kind !== "string" || !isKind(kind)) return err(`kind ${JSON.stringify(kind)} is no kind of document`);
  const fault = documentFault(front);
  if (fault !== undefined) return err(fault);
  const lines = split.value.below.split("\n");
  const title = front["title"] === undefined ? takeTitle(lines) : undefined;
  const criteria = front["successCriteria"] === undefined ? takeCriteria(lines) : undefined;
  const description = lines.join("\n").trim();
  if (description !== "" && front["description"] !== undefined) {
    return err("it has a description in its front matter and another one below; keep one of them");
  }
  const isEmpty = Array.isArray(front["successCriteria"]) && front["successCriteria"].length === 0;
  const { successCriteria: _none, ...others } = front;
  return ok({
    kind,
    body: {
      ...(title === undefined ? {} : { title }),
      ...(isEmpty ? others : front),
      ...(criteria === undefined ? {} : { successCriteria: criteria }),
      ...(description === "" ? {} : { description }),
    },
  });
}

function frontMatterOf(text: string): Result<{ readonly front: JsonObject; readonly below: string }, string> {
  const normal = text.replaceAll("\r\n", "\n");
  if (!normal.startsWith(`${FENCE}\n`)) return ok({ front: {}, below: normal });
  const end = normal.indexOf(`\n${FENCE}\n`, FENCE.length);
  const isAtEnd = normal.endsWith(`\n${FENCE}`);
  if (end < 0 && !isAtEnd) return err(`its front matter has no end: a line ${FENCE} is missing`);
  const stop = end < 0 ? normal.length - FENCE.length - 1 : end;
  if (stop > MAX_FRONT_CHARS) return err(`its front matter is longer than ${MAX_FRONT_CHARS} characters`);
  try {
    const front: unknown = parse(normal.slice(FENCE.length + 1, stop + 1), {
      maxAliasCount: 0,
      uniqueKeys: true,
      schema: "core",
      customTags: [],
    });
    if (front === null || front === undefined) return ok({ front: {}, below: normal.slice(stop + FENCE.length + 2) });
    if (typeof front !== "object" || Array.isArray(front)) return err("its front matter is no list of fields");
    // `as`: the core schema of YAML gives JSON, apart from numbers that are none
    return ok({ front: front as JsonObject, below: normal.slice(stop + FENCE.length + 2) });
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
    return err(`its front matter is not valid YAML: ${why.slice(0, 200)}`);
  }
}

/** @returns the first heading, which is taken out of the lines. */
function takeTitle(lines: string[]): string | undefined {
  const index = lines.findIndex((line) => line.trim() !== "");
  const match = /^# (.+)$/.exec(lines[index] ?? "");
  if (match === null) return undefined;
  lines.splice(0, index + 1);
  return match[1]?.trim();
}

/** @returns the items below the heading of criteria, which are taken out of the lines. */
function takeCriteria(lines: string[]): readonly JsonValue[] | undefined {
  const index = lines.findIndex((line) => CRITERIA.test(line));
  if (index < 0) return undefined;
  const items: string[] = [];
  let end = index + 1;
  for (; end < lines.length; end += 1) {
    const line = lines[end] ?? "";
    const item = BULLET.exec(line)?.[1];
    if (item !== undefined) items.push(item.trim());
    else if (line.trim() !== "") break;
  }
  if (items.length === 0) return undefined;
  lines.splice(index, end - index);
  return items;
}
