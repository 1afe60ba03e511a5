/**
 * What was decided, by whom and why, as a chain: each row has the hash of the one before it. Pure.
 *
 * - AU1: rows are numbered 1, 2, 3 … without gaps; each names the hash of the row before it.
 * - AU2: the hash of a row covers everything in it, its number and the hash before it included.
 * - AU3: what is written holds no secret: texts and values are redacted before they are hashed.
 * - AU4: a row has an end: what is longer is shortened, and says so.
 * - AU5: the old end is only cut at a row that a later one names with its hash; that one stays until the next cut.
 */
import { canonicalJson, type JsonValue, redactText, redactValue } from "#base";

/** What somebody wants written down. */
export type AuditEntry = {
  /** Who decided: a part of the node ("mind", "retention") or "operator". */
  readonly actor: string;
  /** What was done, as a dotted word: "mind.changed". */
  readonly action: string;
  /** What it was done to. */
  readonly subject: string;
  readonly reason: string;
  readonly detail?: JsonValue;
};

/** Where decisions are written down. Returns at once; what cannot be written yet is kept and tried again. */
export interface Audit {
  append(entry: AuditEntry): void;
}

export type AuditRow = {
  readonly seq: number;
  readonly atMs: number;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly reason: string;
  readonly detail: JsonValue;
  /** The hash of the row before it. */
  readonly previous: string;
  readonly hash: string;
};

/** A place in the chain. */
export type AuditPlace = { readonly seq: number; readonly hash: string };

/** @returns the SHA-256 of a text as UTF-8, in hexadecimal. */
export type Sha256 = (text: string) => string;

/** Before the first row. */
export const NO_ROW: AuditPlace = { seq: 0, hash: "0".repeat(64) };

/** The action of the row that vouches for a cut; its detail is the place of the last row that was removed. */
export const CUT_ACTION = "audit.cut";

/** A version of what is hashed, so that another one can follow. */
const FORM = 1;
const MAX_WORD_CHARS = 128;
const MAX_SUBJECT_CHARS = 512;
const MAX_REASON_CHARS = 4_096;
/** Details say what a decision was made from; whole outputs belong into logs. */
const MAX_DETAIL_CHARS = 16_384;
const SHORTENED_CHARS = 1_024;

/** @returns the row that follows `head` (AU1…AU4). */
export function nextRow(head: AuditPlace, entry: AuditEntry, atMs: number, sha256: Sha256): AuditRow {
  const content = {
    seq: head.seq + 1,
    atMs,
    actor: wellFormed(entry.actor, MAX_WORD_CHARS),
    action: wellFormed(entry.action, MAX_WORD_CHARS),
    subject: wellFormed(entry.subject, MAX_SUBJECT_CHARS),
    reason: wellFormed(entry.reason, MAX_REASON_CHARS),
    detail: detailOf(entry.detail ?? null),
    previous: head.hash,
  };
  return { ...content, hash: hashOf(content, sha256) };
}

/** @returns the hash that a row with this content has (AU2). */
export function hashOf(row: Omit<AuditRow, "hash">, sha256: Sha256): string {
  const { seq, atMs, actor, action, subject, reason, detail, previous } = row;
  return sha256(canonicalJson({ form: FORM, seq, atMs, actor, action, subject, reason, detail, previous }));
}

function wellFormed(text: string, maxChars: number): string {
  const clean = redactText(text);
  // A half of a pair that a cut left over would come back from the disk as another character.
  return (clean.length <= maxChars ? clean : `${clean.slice(0, maxChars - 1)}…`).toWellFormed();
}

function detailOf(detail: JsonValue): JsonValue {
  const written = canonicalJson(redactedJson(detail)).toWellFormed();
  // `as`: what was written as JSON.
  if (written.length <= MAX_DETAIL_CHARS) return JSON.parse(written) as JsonValue;
  return { shortened: written.slice(0, SHORTENED_CHARS).toWellFormed(), chars: written.length };
}

function redactedJson(value: JsonValue): JsonValue {
  return redactValue(value) as JsonValue; // `as`: a redacted copy of JSON is JSON
}
