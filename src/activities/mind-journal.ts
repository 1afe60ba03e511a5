/**
 * Where the mind of a node is kept. Entries are numbered without gaps; a snapshot is what those up to its number come to.
 *
 * MJ1: an entry that `append` answered for is read back after any crash; of one call all are, or none.
 * MJ2: an entry is never replaced: one whose number is not the next is refused as an invariant broken.
 * MJ3: a snapshot that is kept replaces nothing but the one before it; entries after it are still read.
 */
import { assert, ok, type Result } from "#base";
import { decodeEntry, decodeMind, type Entry, encodeEntry, encodeMind, type Mind } from "#fsm";

/** What lies there: the latest snapshot, and every entry after it in order. Null before the first. */
export type KeptMind = { readonly snapshot: Mind; readonly entries: readonly Entry[] };

/** A key that healing paused, or a route that it opened, until an instant of the mind's time. */
export type Care = {
  readonly kind: "pausedKey" | "fallback" | "claude";
  readonly target: string;
  readonly untilMs: number;
};

export interface MindJournal {
  /** Fails as `corrupt` or `newer_schema` where it cannot be read. */
  read(): Result<KeptMind | null>;
  append(entries: readonly Entry[]): Result<void>;
  /** Keeps a snapshot, and of the entries before it the latest `keep`. */
  settle(mind: Mind, keep: number): Result<void>;
  /** The newest first, those before `beforeSeq` where that is given. */
  page(beforeSeq: number | null, limit: number): Result<readonly Entry[]>;
  /** Notes that the mind lived at this instant of its time. */
  lived(atMs: number): Result<void>;
  /** Null where it was never noted. */
  livedAtMs(): Result<number | null>;
  /** Moves what cannot be read out of the way; the next `read` gives null. */
  setAside(): Result<void>;
  cares(): Result<readonly Care[]>;
  putCare(care: Care): Result<void>;
  /** Nothing happens where there is none. */
  dropCare(care: Pick<Care, "kind" | "target">): Result<void>;
}

/** In memory, as text like the durable one, so that what cannot be written out shows. */
export class MemoryMindJournal implements MindJournal {
  #snapshot: string | null = null;
  #entries: { readonly seq: number; readonly line: string }[] = [];
  #livedAtMs: number | null = null;
  readonly #cares = new Map<string, Care>();

  read(): Result<KeptMind | null> {
    if (this.#snapshot === null) return ok(null);
    const snapshot = decodeMind(this.#snapshot);
    if (!snapshot.ok) return snapshot;
    const entries = decodeAll(this.#entries.filter(({ seq }) => seq > snapshot.value.seq).map(({ line }) => line));
    return entries.ok ? ok({ snapshot: snapshot.value, entries: entries.value }) : entries;
  }

  append(entries: readonly Entry[]): Result<void> {
    const last = this.#entries.at(-1)?.seq;
    for (const [index, { seq }] of entries.entries()) {
      assert(last === undefined || seq === last + 1 + index, "MJ2: entries are numbered without gaps");
    }
    this.#entries.push(...entries.map((entry) => ({ seq: entry.seq, line: encodeEntry(entry) })));
    return ok(undefined);
  }

  settle(mind: Mind, keep: number): Result<void> {
    this.#snapshot = encodeMind(mind);
    this.#entries = this.#entries.filter(({ seq }) => seq > mind.seq - keep);
    return ok(undefined);
  }

  page(beforeSeq: number | null, limit: number): Result<readonly Entry[]> {
    const before = this.#entries.filter(({ seq }) => beforeSeq === null || seq < beforeSeq);
    return decodeAll(
      before
        .toReversed()
        .slice(0, limit)
        .map(({ line }) => line),
    );
  }

  lived(atMs: number): Result<void> {
    this.#livedAtMs = atMs;
    return ok(undefined);
  }

  livedAtMs(): Result<number | null> {
    return ok(this.#livedAtMs);
  }

  setAside(): Result<void> {
    this.#snapshot = null;
    this.#entries = [];
    return ok(undefined);
  }

  cares(): Result<readonly Care[]> {
    return ok([...this.#cares.values()]);
  }

  putCare(care: Care): Result<void> {
    this.#cares.set(`${care.kind} ${care.target}`, care);
    return ok(undefined);
  }

  dropCare({ kind, target }: Pick<Care, "kind" | "target">): Result<void> {
    this.#cares.delete(`${kind} ${target}`);
    return ok(undefined);
  }
}

/** @returns the entries of their lines, or the failure of the first that cannot be read. */
export function decodeAll(lines: readonly string[]): Result<readonly Entry[]> {
  const entries: Entry[] = [];
  for (const line of lines) {
    const entry = decodeEntry(line);
    if (!entry.ok) return entry;
    entries.push(entry.value);
  }
  return ok(entries);
}
