import type { Migration } from "../migration.ts";

/**
 * What was decided, as a chain of hashes. Guards refuse whatever is not an addition at the end or a cut of the old end, so
 * that no fault of drover itself changes what was written; a person with the file can remove them, which verification says.
 */
export const auditMigration: Migration = {
  number: 7,
  name: "audit",
  sql: [
    `CREATE TABLE audit (
      seq INTEGER PRIMARY KEY,
      at_ms INTEGER NOT NULL,
      actor TEXT NOT NULL,
      action TEXT NOT NULL,
      subject TEXT NOT NULL,
      reason TEXT NOT NULL,
      detail TEXT NOT NULL,
      previous TEXT NOT NULL CHECK (length(previous) = 64),
      hash TEXT NOT NULL CHECK (length(hash) = 64)
    ) STRICT`,
    `CREATE INDEX audit_subject ON audit (subject, seq)`,
    // One row: the last of the chain.
    `CREATE TABLE audit_head (id INTEGER PRIMARY KEY CHECK (id = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL) STRICT`,
    `INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '${"0".repeat(64)}')`,
    // The last row that retention removed, each time.
    `CREATE TABLE audit_cut (seq INTEGER PRIMARY KEY, hash TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT`,
    `CREATE TRIGGER audit_follows BEFORE INSERT ON audit
      WHEN NEW.seq <> (SELECT seq + 1 FROM audit_head) OR NEW.previous <> (SELECT hash FROM audit_head)
      BEGIN SELECT RAISE(ABORT, 'a row of the audit log follows the last one'); END`,
    `CREATE TRIGGER audit_moves_head AFTER INSERT ON audit
      BEGIN UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash; END`,
    `CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
      BEGIN SELECT RAISE(ABORT, 'a row of the audit log is never changed'); END`,
    `CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
      WHEN OLD.seq > (SELECT coalesce(max(seq), 0) FROM audit_cut)
      BEGIN SELECT RAISE(ABORT, 'rows of the audit log are removed from its old end alone'); END`,
    `CREATE TRIGGER audit_head_follows BEFORE UPDATE ON audit_head
      WHEN NEW.seq <> OLD.seq + 1 OR NOT EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq AND hash = NEW.hash)
      BEGIN SELECT RAISE(ABORT, 'the head of the audit log is its last row'); END`,
    `CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_head
      BEGIN SELECT RAISE(ABORT, 'the audit log has a head'); END`,
    `CREATE TRIGGER audit_cut_is_a_row BEFORE INSERT ON audit_cut
      WHEN NOT EXISTS (SELECT 1 FROM audit WHERE seq = NEW.seq AND hash = NEW.hash)
        OR NEW.seq >= (SELECT seq FROM audit_head)
      BEGIN SELECT RAISE(ABORT, 'the audit log is cut at one of its rows, and keeps the last'); END`,
    `CREATE TRIGGER audit_cut_stays BEFORE UPDATE ON audit_cut
      BEGIN SELECT RAISE(ABORT, 'a cut of the audit log is never changed'); END`,
    `CREATE TRIGGER audit_cut_is_kept BEFORE DELETE ON audit_cut
      WHEN OLD.seq >= (SELECT max(seq) FROM audit_cut)
      BEGIN SELECT RAISE(ABORT, 'the last cut of the audit log is kept'); END`,
  ],
};
