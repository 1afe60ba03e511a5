/**
 * Which log of a libSQL server a copy was made from. A server gives its log a name when it makes it: a hub that was
 * promoted, restored or whose log was lost has another one. The binding then begins anew, within the same file: readers
 * would see the database of whoever answers, from its first commit on.
 */
import { readFileSync } from "node:fs";

/** The binding's note beside the database: name of the log (16 bytes, little-endian), then the last frame applied. */
const NOTE_SUFFIX = "-client_wal_index";
const NAME_BYTES = 16;
/** Field 3 of the server's greeting (`HelloResponse.log_id` of libSQL's replication_log.proto): a text of 36 letters. */
const NAMED = /\u001a\u0024([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/;

/** @returns the name of the log that a copy follows; undefined when its note is missing or cannot be read. */
export function logOfCopy(path: string): string | undefined {
  try {
    const note = readFileSync(`${path}${NOTE_SUFFIX}`);
    return note.length < NAME_BYTES ? undefined : logOfNote(note);
  } catch {
    return undefined;
  }
}

export function logOfNote(note: Uint8Array): string {
  const hex = Buffer.from(note.slice(0, NAME_BYTES)).reverse().toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** @returns the name of the log in a server's greeting; undefined when it greets in a way that is not known here. */
export function logOfGreeting(body: Uint8Array): string | undefined {
  return NAMED.exec(Buffer.from(body).toString("latin1"))?.[1];
}
