/**
 * Whether a chain is what was written. Found is every row that was changed, removed, put in or put elsewhere, and a tail
 * that was cut without the note of the head. Not found, without a place that somebody kept elsewhere: a tail that was cut
 * together with that note, and a chain that was computed anew from some row on. Pure.
 */
import { type AuditPlace, type AuditRow, CUT_ACTION, hashOf, NO_ROW, type Sha256 } from "./chain.ts";

export type AuditFault = {
  /** The first row that is not as it was written; for rows that are missing, the first of them. */
  readonly seq: number;
  readonly kind:
    | "changed"
    | "removed"
    | "misplaced"
    | "replaced"
    | "unvouched"
    | "tailCut"
    | "notExpected"
    /** Found by whoever reads the database: a guard of its tables is gone. */
    | "unguarded";
  readonly message: string;
};

export type Verification = {
  readonly rows: number;
  /** The first and the last row that were looked at; null when there was none. */
  readonly from: number | null;
  readonly to: AuditPlace | null;
  /** Null when the chain is sound. */
  readonly fault: AuditFault | null;
  /** What this did not look at. */
  readonly notes: readonly string[];
};

export type VerifierParts = {
  readonly sha256: Sha256;
  /** The last row that retention removed; `unknown` for an export, which begins where it begins. */
  readonly cut: AuditPlace | "unknown";
  /** What the database notes beside the chain as its last row; undefined for an export. */
  readonly head?: AuditPlace;
  /** A place that somebody kept elsewhere. */
  readonly expected?: AuditPlace;
};

/** Takes the rows in the order in which they lie there, and stops at the first fault. */
export class ChainVerifier {
  readonly #parts: VerifierParts;
  #last: AuditPlace | undefined;
  #first: number | null = null;
  #rows = 0;
  #isVouched: boolean;
  #fault: AuditFault | null = null;

  constructor(parts: VerifierParts) {
    this.#parts = parts;
    this.#last = parts.cut === "unknown" ? undefined : parts.cut;
    this.#isVouched = parts.cut === "unknown" || parts.cut.seq === 0;
  }

  /** @returns whether to go on. */
  next(row: AuditRow): boolean {
    this.#fault = this.#faultOf(row);
    if (this.#fault !== null) return false;
    this.#rows += 1;
    this.#first ??= row.seq;
    this.#last = { seq: row.seq, hash: row.hash };
    if (row.action === CUT_ACTION && this.#vouches(row)) this.#isVouched = true;
    return true;
  }

  end(): Verification {
    const to = this.#rows === 0 ? null : (this.#last ?? null);
    return {
      rows: this.#rows,
      from: this.#first,
      to,
      fault: this.#fault ?? this.#faultAtEnd(this.#last ?? NO_ROW),
      notes: this.#notes(),
    };
  }

  #faultOf(row: AuditRow): AuditFault | null {
    const { sha256, expected } = this.#parts;
    const { seq } = row;
    if (hashOf(row, sha256) !== row.hash) return fault(seq, "changed", `row ${seq} is not as it was written`);
    const before = this.#last ?? (seq === 1 ? NO_ROW : { seq: seq - 1, hash: row.previous });
    if (seq > before.seq + 1) {
      const missing = before.seq + 1 === seq - 1 ? `row ${seq - 1} is` : `rows ${before.seq + 1} to ${seq - 1} are`;
      return fault(before.seq + 1, "removed", `${missing} missing`);
    }
    if (seq <= before.seq) return fault(seq, "misplaced", `row ${seq} comes after row ${before.seq}`);
    if (row.previous !== before.hash) {
      return fault(seq, "replaced", `row ${seq} does not follow row ${before.seq}: one of them was replaced or put in`);
    }
    if (expected?.seq === seq && expected.hash !== row.hash) return notExpected(expected);
    return null;
  }

  /** AU5 */
  #vouches({ detail }: AuditRow): boolean {
    const { cut } = this.#parts;
    if (cut === "unknown" || detail === null || typeof detail !== "object" || Array.isArray(detail)) return false;
    // `as`: an object, as was just seen; its fields are only compared.
    const { seq, hash } = detail as { readonly seq?: unknown; readonly hash?: unknown };
    return seq === cut.seq && hash === cut.hash;
  }

  #faultAtEnd(last: AuditPlace): AuditFault | null {
    const { cut, head, expected } = this.#parts;
    if (!this.#isVouched && cut !== "unknown") {
      return fault(1, "unvouched", `rows up to ${cut.seq} are missing, and no later row says that they were cut`);
    }
    if (head !== undefined && head.seq > last.seq) {
      return fault(last.seq + 1, "tailCut", `rows ${last.seq + 1} to ${head.seq} are missing at the end`);
    }
    if (head !== undefined && (head.seq < last.seq || head.hash !== last.hash)) {
      return fault(head.seq, "replaced", `the note of the last row says ${head.seq}, and does not fit row ${last.seq}`);
    }
    if (expected !== undefined && expected.seq > last.seq) {
      return fault(last.seq + 1, "tailCut", `row ${expected.seq} was expected, and the last one is ${last.seq}`);
    }
    if (cut !== "unknown" && expected?.seq === cut.seq && expected.hash !== cut.hash) return notExpected(expected);
    return null;
  }

  #notes(): readonly string[] {
    const { cut, expected } = this.#parts;
    const notes: string[] = [];
    if (cut === "unknown" && (this.#first ?? 1) > 1) notes.push(`what was before row ${this.#first} is not in it`);
    if (cut !== "unknown" && cut.seq > 0) notes.push(`rows up to ${cut.seq} were cut by retention`);
    const begin = cut === "unknown" ? (this.#first ?? 1) : cut.seq;
    if (expected !== undefined && expected.seq < begin) notes.push(`row ${expected.seq}, which was expected, is gone`);
    return notes;
  }
}

function fault(seq: number, kind: AuditFault["kind"], message: string): AuditFault {
  return { seq, kind, message };
}

function notExpected({ seq }: AuditPlace): AuditFault {
  return fault(
    seq,
    "notExpected",
    `row ${seq} has another hash than the one that was expected: the chain was written anew`,
  );
}
