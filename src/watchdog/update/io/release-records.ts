import { renameSync } from "node:fs";
import { join } from "node:path";
import { FieldReader } from "../field-reader.ts";
import { type HistoryRow, MAX_HISTORY_ROW_BYTES, MAX_HISTORY_ROWS, readHistory, writeHistoryRow } from "../history.ts";
import { type Journal, readJournal, writeJournal } from "../journal.ts";
import { KEY_ID, readVersion } from "../manifest.ts";
import { NEW_TRUST, type TrustMemory } from "../trust.ts";
import { compareVersions, type Version } from "../version.ts";
import { appendDurably, readBounded, removeDurably, removeIfThere, writeDurably } from "./durable-file.ts";

const MAX_RECORD_BYTES = 256 * 1024;
/** Rows above the limit that may gather before the file is written anew: rewriting it for each row would be waste. */
const SPARE_ROWS = 50;
const MAX_HISTORY_BYTES = (MAX_HISTORY_ROWS + SPARE_ROWS + 1) * MAX_HISTORY_ROW_BYTES;
/** Keys that were ever certified; a publisher makes a few a year. */
const MAX_KEYS = 4_096;

/** The small files beside the releases. Each is written whole; reading one that is damaged gives what is safe. */
export class ReleaseRecords {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @returns null when no swap is under way. A journal that cannot be read is set aside, and counts as none. */
  journal(): Journal | null {
    const path = this.#path("journal.json");
    const text = this.#read("journal.json");
    if (text === undefined) return null;
    const journal = readJournal(text);
    if (journal === undefined) renameSync(path, `${path}.damaged`);
    return journal ?? null;
  }

  writeJournal(journal: Journal): void {
    writeDurably(this.#path("journal.json"), writeJournal(journal));
  }

  forgetJournal(): void {
    removeDurably(this.#path("journal.json"));
  }

  /** The lowest version that may run; null when there is none. Throws when the file is there and cannot be read. */
  floor(): Version | null {
    const text = this.#read("floor.json");
    if (text === undefined) return null;
    const reader = FieldReader.ofJson(text);
    const floor = readVersion(reader, "floor");
    // To take a damaged floor for none would let an old release in.
    if (reader.fault !== undefined) throw new Error(`floor.json is damaged: ${reader.fault}`);
    return floor;
  }

  /** Never lowers it. */
  raiseFloor(floor: Version): void {
    const before = this.floor();
    if (before === null || compareVersions(floor, before) > 0) {
      writeDurably(this.#path("floor.json"), `${JSON.stringify({ floor })}\n`);
    }
  }

  /** Throws when the file is there and cannot be read: what was revoked must not be forgotten. */
  trust(): TrustMemory {
    const text = this.#read("trust.json");
    if (text === undefined) return NEW_TRUST;
    const reader = FieldReader.ofJson(text);
    const serials: Record<string, number> = {};
    for (const each of reader.objects("serials", MAX_KEYS)) {
      serials[each.text("key", KEY_ID, 32)] = each.integer("serial", 0, Number.MAX_SAFE_INTEGER);
    }
    const revoked = reader.texts("revoked", KEY_ID, 32, MAX_KEYS);
    if (reader.fault !== undefined) throw new Error(`trust.json is damaged: ${reader.fault}`);
    return { serials, revoked };
  }

  remember(trust: TrustMemory): void {
    const serials = Object.entries(trust.serials)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, serial]) => ({ key, serial }));
    const text = `${JSON.stringify({ serials, revoked: trust.revoked })}\n`;
    if (this.#read("trust.json") !== text) writeDurably(this.#path("trust.json"), text);
  }

  /** Oldest first. */
  history(): readonly HistoryRow[] {
    const text = this.#read("history.ndjson", MAX_HISTORY_BYTES);
    return text === undefined ? [] : readHistory(text);
  }

  /** Adds a row, unless the row of that try is there already; drops the oldest beyond the limit. */
  addRow(row: HistoryRow): void {
    const rows = this.history();
    if (rows.some(({ id }) => id === row.id)) return;
    const path = this.#path("history.ndjson");
    if (rows.length < MAX_HISTORY_ROWS + SPARE_ROWS) return appendDurably(path, writeHistoryRow(row));
    const kept = [...rows.slice(1 - MAX_HISTORY_ROWS), row];
    return writeDurably(path, kept.map((each) => `${writeHistoryRow(each)}\n`).join(""));
  }

  /** What a crash left of files that were being written. */
  removeDrafts(): void {
    for (const name of ["journal.json", "floor.json", "trust.json", "history.ndjson", "current", "previous"]) {
      removeIfThere(this.#path(`${name}.new`));
    }
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #read(name: string, maxBytes = MAX_RECORD_BYTES): string | undefined {
    const bytes = readBounded(this.#path(name), maxBytes);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
  }
}
