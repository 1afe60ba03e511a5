import { readSync } from "node:fs";
import { err, ok, type Result } from "#base";
import { readUpTo } from "../../io/atomic-file.ts";
import { decodeFile, notText, splitLines } from "../file-text.ts";
import { type ToolFault, toolFault } from "../tool.ts";
import { hashOf } from "./content-hash.ts";

/** Files up to this are read whole: their lines are counted, and they can be edited. */
export const MAX_WHOLE_BYTES = 8 * 1024 * 1024;
/**
 * How far into a larger file a page may lie. Nothing else happens in the worker meanwhile, so this is what is read and
 * decoded in a twentieth of a second from memory (measured: 1 GB/s), and within a second from a slow disk.
 */
const MAX_SCANNED_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;
/** One shown line; longer ones are data or minified code. */
export const MAX_LINE_CHARS = 2_000;

export type PageRequest = {
  readonly path: string;
  readonly firstLine: number;
  readonly maxLines: number;
  readonly maxChars: number;
};

export type Page = {
  readonly lines: readonly string[];
  /** Null when the file was not read to its end. */
  readonly totalLines: number | null;
  /** Of the whole content; null when the file is too large to hold. */
  readonly hash: string | null;
  /** The last line that was shown without a cut, 0 when the first was cut. */
  readonly lastWholeLine: number;
  readonly isTruncated: boolean;
};

/** Reads some lines of an open regular file, which must be UTF-8 text. */
export function readPage(fd: number, bytes: number, request: PageRequest): Result<Page, ToolFault> {
  if (bytes > MAX_WHOLE_BYTES) return readLargePage(fd, request);
  const content = readUpTo(fd, MAX_WHOLE_BYTES + 1);
  if (content.length > MAX_WHOLE_BYTES) return readLargePage(fd, request);
  const file = decodeFile(content);
  if (!file.ok) return err(notTextFault(request.path, file.error));
  const lines = splitLines(file.value.text);
  const page = new PageLines(request);
  const from = request.firstLine - 1;
  if (from > 0 && from >= lines.length) return err(pastEnd(request.path, request.firstLine, lines.length));
  for (const line of lines.slice(from, from + request.maxLines)) if (!page.add(line.text)) break;
  const shownTo = from + page.lines.length;
  return ok({
    lines: page.lines,
    totalLines: lines.length,
    hash: hashOf(content),
    lastWholeLine: page.lastWholeLine,
    isTruncated: page.hasCutLine || shownTo < lines.length,
  });
}

export function notTextFault(path: string, reason: string): ToolFault {
  return toolFault("wrongKind", `${path} ${reason}, and this tool works on UTF-8 text`, "Use a program by run_command");
}

/** Reads on from the start without keeping more than the page. */
function readLargePage(fd: number, request: PageRequest): Result<Page, ToolFault> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const page = new PageLines(request);
  const chunk = new Uint8Array(CHUNK_BYTES);
  let rest = "";
  let lineNumber = 1;
  for (let at = 0; at < MAX_SCANNED_BYTES; ) {
    const got = readSync(fd, chunk, 0, chunk.length, at);
    const reason = notText(chunk.subarray(0, got));
    if (reason !== undefined) return err(notTextFault(request.path, reason));
    let text: string;
    try {
      text = rest + decoder.decode(chunk.subarray(0, got), { stream: got > 0 });
    } catch {
      // The decoder's only fault.
      return err(notTextFault(request.path, "is not valid UTF-8"));
    }
    at += got;
    const lines = text.split("\n");
    // The last line may lack its end; after an end there is no further line.
    const open = lines.pop() ?? "";
    if (got > 0) rest = open;
    else if (open !== "") lines.push(open);
    for (const line of lines) {
      const isWanted = lineNumber >= request.firstLine;
      if (isWanted && (page.lines.length >= request.maxLines || !page.add(line.replace(/\r$/, ""))))
        return ok(partOf(page));
      lineNumber += 1;
    }
    if (got === 0) return endOf(page, request, lineNumber - 1);
    // Of a line without end only the part that can be shown is kept, and that it goes on.
    rest = rest.length > 2 * MAX_LINE_CHARS ? rest.slice(0, 2 * MAX_LINE_CHARS) : rest;
  }
  return err(
    toolFault(
      "tooLarge",
      `line ${request.firstLine} of ${request.path} lies further than ${MAX_SCANNED_BYTES} bytes into the file`,
      "Use search_files, or sed -n by run_command",
    ),
  );
}

/** The page of a large file that was read to its end: its lines are counted then, but it is not known whole. */
function endOf(page: PageLines, { path, firstLine }: PageRequest, totalLines: number): Result<Page, ToolFault> {
  if (firstLine > totalLines) return err(pastEnd(path, firstLine, totalLines));
  return ok({ ...partOf(page), totalLines, isTruncated: page.hasCutLine });
}

function pastEnd(path: string, firstLine: number, totalLines: number): ToolFault {
  return toolFault(
    "badArguments",
    `start_line ${firstLine} is past the end: ${path} has only ${totalLines} lines`,
    "Read from an earlier line",
  );
}

function partOf(page: PageLines): Page {
  return { lines: page.lines, totalLines: null, hash: null, lastWholeLine: page.lastWholeLine, isTruncated: true };
}

/** Collects shown lines up to the page's characters; the first always fits. */
class PageLines {
  readonly lines: string[] = [];
  hasCutLine = false;
  lastWholeLine: number;
  readonly #firstLine: number;
  #charsLeft: number;

  constructor({ firstLine, maxChars }: PageRequest) {
    this.#firstLine = firstLine;
    this.#charsLeft = maxChars;
    this.lastWholeLine = firstLine - 1;
  }

  /** @returns false when the page is full and the line was not taken. */
  add(line: string): boolean {
    const number = this.#firstLine + this.lines.length;
    const isCut = line.length > MAX_LINE_CHARS;
    const shown = isCut ? `${line.slice(0, MAX_LINE_CHARS)}… [cut: the line has more characters]` : line;
    // The number and its separator count as read by the model.
    this.#charsLeft -= shown.length + String(number).length + 2;
    if (this.#charsLeft < 0 && this.lines.length > 0) return false;
    this.lines.push(shown);
    if (isCut) this.hasCutLine = true;
    else if (!this.hasCutLine) this.lastWholeLine = number;
    return true;
  }
}
