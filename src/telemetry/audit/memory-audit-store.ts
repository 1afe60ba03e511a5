import { ok, type Result } from "#base";
import { type AuditBounds, type AuditQuery, type AuditStore, CUT_STEPS, type CutSteps, cutAt } from "./audit-store.ts";
import { type AuditEntry, type AuditPlace, type AuditRow, CUT_ACTION, NO_ROW, nextRow, type Sha256 } from "./chain.ts";
import { ChainVerifier, type Verification } from "./verification.ts";

/** A chain that ends with the process. */
export class MemoryAuditStore implements AuditStore {
  readonly #sha256: Sha256;
  readonly #steps: CutSteps;
  #rows: readonly AuditRow[] = [];
  #head = NO_ROW;
  #cut = NO_ROW;

  constructor(sha256: Sha256, steps: CutSteps = CUT_STEPS) {
    this.#sha256 = sha256;
    this.#steps = steps;
  }

  append(entry: AuditEntry, atMs: number): Result<AuditRow> {
    const row = nextRow(this.#head, entry, atMs, this.#sha256);
    this.#rows = [...this.#rows, row];
    this.#head = { seq: row.seq, hash: row.hash };
    return ok(row);
  }

  bounds(): Result<AuditBounds> {
    return ok({ head: this.#head, cut: this.#cut });
  }

  list({ below = Number.MAX_SAFE_INTEGER, limit, actor, action, subject, sinceMs }: AuditQuery) {
    const wanted = this.#rows.filter(
      (row) =>
        row.seq < below &&
        (actor === undefined || row.actor === actor) &&
        (action === undefined || row.action === action || row.action.startsWith(`${action}.`)) &&
        (subject === undefined || row.subject === subject) &&
        (sinceMs === undefined || row.atMs >= sinceMs),
    );
    return ok(wanted.reverse().slice(0, limit));
  }

  after(seq: number, limit: number): Result<readonly AuditRow[]> {
    return ok(this.#rows.filter((row) => row.seq > seq).slice(0, limit));
  }

  cut({ beforeMs, maxRows }: { beforeMs: number; maxRows: number }, nowMs: number): Result<number> {
    const young = this.#rows.find(({ atMs }) => atMs >= beforeMs);
    const oldUpTo = young === undefined ? this.#head.seq : young.seq - 1;
    const seq = cutAt({ head: this.#head, cut: this.#cut }, maxRows, oldUpTo, this.#steps);
    const at = this.#rows.find((row) => row.seq === seq);
    if (at === undefined) return ok(0);
    const place = { seq: at.seq, hash: at.hash };
    const reason = `rows up to ${at.seq} were older or more than the settings keep`;
    this.append({ actor: "retention", action: CUT_ACTION, subject: "audit", reason, detail: place }, nowMs);
    this.#cut = place;
    const before = this.#rows.length;
    this.#rows = this.#rows.filter((row) => row.seq > at.seq);
    return ok(before - this.#rows.length);
  }

  async verify(expected: AuditPlace | undefined): Promise<Result<Verification>> {
    const place = expected === undefined ? {} : { expected };
    const verifier = new ChainVerifier({ sha256: this.#sha256, cut: this.#cut, head: this.#head, ...place });
    for (const row of this.#rows) if (!verifier.next(row)) break;
    return ok(verifier.end());
  }
}
