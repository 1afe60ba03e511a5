import { describe, expect, it } from "vitest";
import { canonicalJson, present } from "#base";
import {
  type AuditEntry,
  type AuditRow,
  ChainVerifier,
  MemoryAuditStore,
  NO_ROW,
  nextRow,
  type Verification,
} from "#telemetry";
import { must } from "../../support/opened-stores.ts";
import { sha256 } from "../../support/telemetry.ts";

const entry = (n: number, more: Partial<AuditEntry> = {}): AuditEntry => ({
  actor: "mind",
  action: "mind.changed",
  subject: `goal-${n}`,
  reason: `reason ${n}`,
  detail: { n, list: [1, { b: 2, a: 1 }] },
  ...more,
});

function chain(length: number): readonly AuditRow[] {
  const rows: AuditRow[] = [];
  for (let n = 1; n <= length; n += 1) rows.push(nextRow(rows.at(-1) ?? NO_ROW, entry(n), 1_000 + n, sha256));
  return rows;
}

function verified(rows: readonly AuditRow[], head = chain(10).at(-1)): Verification {
  const verifier = new ChainVerifier({ sha256, cut: NO_ROW, ...(head === undefined ? {} : { head }) });
  for (const row of rows) if (!verifier.next(row)) break;
  return verifier.end();
}

const at = (rows: readonly AuditRow[], index: number): AuditRow => present(rows[index], "there is such a row");

describe("a chain of decisions", () => {
  it("AU1, AU2: is sound as it was written", () => {
    const found = verified(chain(10));

    expect(found).toMatchObject({ rows: 10, from: 1, fault: null });
    expect(found.to?.seq).toBe(10);
  });

  it.each(["atMs", "actor", "action", "subject", "reason", "detail"] as const)(
    "AU2: whose %s was changed is found at that row",
    (field) => {
      const rows = [...chain(10)];
      const row = at(rows, 4);
      rows[4] = { ...row, [field]: field === "atMs" ? 7 : field === "detail" ? { n: 6 } : "another" };

      expect(verified(rows).fault).toMatchObject({ seq: 5, kind: "changed" });
    },
  );

  it("AU2: whose row was changed together with its hash is found at the next one", () => {
    const rows = [...chain(10)];
    rows[4] = nextRow(at(rows, 3), entry(5, { reason: "another" }), 1_005, sha256);

    expect(verified(rows).fault).toMatchObject({ seq: 6, kind: "replaced" });
  });

  it("AU1: from which a row was removed is found there", () => {
    const rows = chain(10).filter(({ seq }) => seq !== 5);

    expect(verified(rows).fault).toMatchObject({ seq: 5, kind: "removed" });
  });

  it("AU1: in which two rows changed places is found", () => {
    const rows = [...chain(10)];
    [rows[4], rows[5]] = [at(rows, 5), at(rows, 4)];

    expect(verified(rows).fault).toMatchObject({ seq: 5, kind: "removed" });
    expect(verified([...chain(10).slice(0, 5), at(chain(10), 2)]).fault).toMatchObject({ seq: 3, kind: "misplaced" });
  });

  it("into which a row was put is found, whatever number it has", () => {
    const rows = chain(10);
    const strange = nextRow(at(rows, 4), entry(99), 1, sha256);

    expect(verified([...rows.slice(0, 5), strange, ...rows.slice(5)]).fault).toMatchObject({
      seq: 6,
      kind: "misplaced",
    });
    expect(verified([...rows.slice(0, 5), strange, ...rows.slice(6)]).fault).toMatchObject({
      seq: 7,
      kind: "replaced",
    });
  });

  it("whose tail was cut is found by the note of its head", () => {
    expect(verified(chain(10).slice(0, 7)).fault).toMatchObject({ seq: 8, kind: "tailCut" });
  });

  it("whose tail was cut with that note, or that was written anew, is found by a place that was kept elsewhere alone", () => {
    const kept = at(chain(10), 8);
    const short = chain(10).slice(0, 7);
    const anew: AuditRow[] = [];
    for (let n = 1; n <= 10; n += 1)
      anew.push(nextRow(anew.at(-1) ?? NO_ROW, entry(n, { actor: "nobody" }), n, sha256));
    const look = (rows: readonly AuditRow[], isKept: boolean): Verification => {
      const expected = isKept ? { expected: { seq: kept.seq, hash: kept.hash } } : {};
      const verifier = new ChainVerifier({ sha256, cut: NO_ROW, head: at(rows, rows.length - 1), ...expected });
      for (const row of rows) if (!verifier.next(row)) break;
      return verifier.end();
    };

    expect([look(short, false).fault, look(anew, false).fault]).toEqual([null, null]);
    expect(look(short, true).fault).toMatchObject({ kind: "tailCut" });
    expect(look(anew, true).fault).toMatchObject({ seq: 9, kind: "notExpected" });
    expect(look(chain(10), true).fault).toBeNull();
  });

  it("AU5: is sound after its old end was cut, and is not when nothing vouches for that", () => {
    const store = new MemoryAuditStore(sha256, { least: 5, most: 500 });
    for (let n = 1; n <= 160; n += 1) must(store.append(entry(n), n));
    const removed = must(store.cut({ beforeMs: 0, maxRows: 100 }, 2_000));
    const { head, cut } = must(store.bounds());
    const rows = must(store.after(0, 10_000));
    const look = (given: readonly AuditRow[]): Verification => {
      const verifier = new ChainVerifier({ sha256, cut, head });
      for (const row of given) if (!verifier.next(row)) break;
      return verifier.end();
    };

    expect({ removed, cut: cut.seq, head: head.seq }).toEqual({ removed: 60, cut: 60, head: 161 });
    expect(look(rows).fault).toBeNull();
    expect(look(rows).notes).toEqual(["rows up to 60 were cut by retention"]);
    // As if somebody had removed rows and noted a cut, without the row that says so.
    const verifier = new ChainVerifier({ sha256, cut: { seq: 70, hash: at(rows, 9).hash }, head });
    for (const row of rows.slice(10)) if (!verifier.next(row)) break;
    expect(verifier.end().fault).toMatchObject({ kind: "unvouched" });
  });

  it("AU3, AU4: holds no secret, and of what is too long only the beginning", () => {
    const secret = ["ghp", "a".repeat(36)].join("_");
    const row = nextRow(
      NO_ROW,
      entry(1, { reason: `used ${secret}`, detail: { apiKey: "xyz", text: secret } }),
      1,
      sha256,
    );
    const long = nextRow(
      NO_ROW,
      entry(1, { reason: "x".repeat(10_000), detail: { text: "y".repeat(40_000) } }),
      1,
      sha256,
    );

    expect(canonicalJson({ ...row })).not.toContain(secret);
    expect(row.detail).toEqual({ apiKey: "[redacted]", text: "[redacted]" });
    expect(long.reason).toHaveLength(4_096);
    expect(long.detail).toMatchObject({ chars: 40_011 });
  });
});
