/** The log of an attempt as server-sent events: where a client is, and what it is sent. Pure. */

/** What is read: the steps of a tool loop, or everything that was printed. */
export const LOG_FORMS = ["output", "steps"] as const;
export type LogForm = (typeof LOG_FORMS)[number];

/** Everything before `offset` (in bytes) was sent. The id of a frame, as text: `2.steps.4096`. */
export type LogPlace = { readonly attempt: number; readonly form: LogForm; readonly offset: number };

export function placeText({ attempt, form, offset }: LogPlace): string {
  return `${attempt}.${form}.${offset}`;
}

/** @returns undefined for a text that was never given as an id. */
export function placeFrom(text: string): LogPlace | undefined {
  const parts = /^(\d{1,7})\.(output|steps)\.(\d{1,15})$/.exec(text);
  const [, attempt = "", form, offset = ""] = parts ?? [];
  if (form !== "output" && form !== "steps") return undefined;
  return Number(attempt) < 1 ? undefined : { attempt: Number(attempt), form, offset: Number(offset) };
}

/** Frames of a chunk, and the place behind each. */
export type LogFrames = readonly { readonly text: string; readonly place: LogPlace }[];

/**
 * @param isWhole nothing will follow the chunk: what is left of it is sent as it is
 * @returns nothing while the chunk has no whole line, or no whole character
 */
export function logFrames(place: LogPlace, bytes: Uint8Array, isWhole: boolean): LogFrames {
  return place.form === "steps" ? stepFrames(place, bytes) : outputFrames(place, bytes, isWhole);
}

/** The `end` frame names the place as others name a number. */
export function logEndFrame(reason: "ended" | "slow" | "shutdown" | "failed", place: LogPlace | undefined): string {
  const data = { reason, ...(place === undefined ? {} : { resumeAfter: placeText(place) }) };
  return `event: end\ndata: ${JSON.stringify(data)}\n\n`;
}

/** Said when the stream goes on with the next attempt. */
export function attemptFrame(attempt: number): string {
  return `event: attempt\ndata: ${JSON.stringify({ attempt })}\n\n`;
}

/** Said when the rest of an attempt's log lies where it cannot be had. */
export function gapFrame(attempt: number, why: string): string {
  return `event: gap\ndata: ${JSON.stringify({ attempt, why })}\n\n`;
}

const NEWLINE = 10;

function stepFrames(place: LogPlace, bytes: Uint8Array): LogFrames {
  const frames: { text: string; place: LogPlace }[] = [];
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    const next = { ...place, offset: place.offset + end + 1 };
    const step = recordIn(bytes.subarray(start, end));
    start = end + 1;
    // A worker that was killed while it wrote left part of a line, and its successor wrote on behind it.
    if (step === undefined) frames.push({ text: "", place: next });
    else frames.push({ text: frame(next, "step", { attempt: place.attempt, ...step }), place: next });
  }
  return frames;
}

function outputFrames(place: LogPlace, bytes: Uint8Array, isWhole: boolean): LogFrames {
  if (bytes.length === 0) return [];
  const cut = isWhole ? bytes.length : wholeCharacters(bytes);
  if (cut === 0) return [];
  const part = bytes.subarray(0, cut);
  const next = { ...place, offset: place.offset + cut };
  return [{ text: frame(next, "output", { attempt: place.attempt, ...content(part) }), place: next }];
}

/** What is no text reaches the client as it is, too. */
function content(bytes: Uint8Array): { readonly text: string } | { readonly base64: string } {
  try {
    return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { base64: bytes.toBase64() };
  }
}

/** @returns how many bytes there are without a last character that has only begun. */
function wholeCharacters(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue; // the middle of a character
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

function frame(place: LogPlace, event: string, data: object): string {
  return `id: ${placeText(place)}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

function recordIn(line: Uint8Array): object | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(line));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
