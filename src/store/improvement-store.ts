import type {
  FindingFilter,
  FindingSource,
  ImprovementStore,
  KnownFinding,
  Looked,
  Question,
  ScanRecord,
  Try,
  TryChange,
} from "#activities";
import { err, type JsonObject, ok, type Result, refused } from "#base";
import type { ScanFinding } from "#repos";
import { type Connection, number, type SqlRow, text, textOrNull } from "./connection.ts";
import type { Write } from "./model-store.ts";
import { onStorage } from "./storage-failure.ts";

const FINDING = `repository, fingerprint, kind, rule, path, line, severity, effort, title, evidence, source, state,
  first_seen_ms, last_seen_ms, returns, reason`;
const TRY = "repository, fingerprint, n, kind, rule, path, files, state, goal, why, chosen_at_ms, ended_at_ms";
const QUESTION = "key, kind, subject, state, asks, task_id, about, note, at_ms";

const SEE = `INSERT INTO finding (${FINDING}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?, 0, NULL)
  ON CONFLICT (repository, fingerprint) DO UPDATE SET kind = excluded.kind, rule = excluded.rule, path = excluded.path,
    line = excluded.line, severity = excluded.severity, effort = excluded.effort, title = excluded.title,
    evidence = excluded.evidence, source = excluded.source, last_seen_ms = excluded.last_seen_ms,
    returns = finding.returns + (finding.state = 'gone'),
    state = CASE finding.state WHEN 'dismissed' THEN 'dismissed' ELSE 'open' END`;
const SCANNED = `INSERT INTO repository_scan (repository, revision, at_ms, files, files_read, findings, left_out)
  VALUES (?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (repository) DO UPDATE SET revision = excluded.revision, at_ms = excluded.at_ms, files = excluded.files,
    files_read = excluded.files_read, findings = excluded.findings, left_out = excluded.left_out`;
const PUT_QUESTION = `INSERT INTO mind_question (${QUESTION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT (key) DO UPDATE SET state = excluded.state, asks = excluded.asks, task_id = excluded.task_id,
    about = excluded.about, note = excluded.note, at_ms = excluded.at_ms`;

const GONE = "UPDATE finding SET state = 'gone' WHERE repository = ?";

/** Of questions of one kind; those that are answered serve as a memory of what was asked. */
const MAX_QUESTIONS = 1_000;
/** Tries are a few a day; those that are kept decide what is never tried again. */
const MAX_TRIES = 10_000;

/** Findings, tries and questions, in fleet.db. */
export class LibsqlImprovementStore implements ImprovementStore {
  readonly #write: Write;
  readonly #reading: Connection;

  constructor(write: Write, reading: Connection) {
    this.#write = write;
    this.#reading = reading;
  }

  scans(): Result<readonly ScanRecord[]> {
    const sql =
      "SELECT repository, revision, at_ms, files, files_read, findings, left_out FROM repository_scan ORDER BY repository";
    return this.#read("read scans", sql, [], scanOf);
  }

  record(scan: ScanRecord, source: FindingSource, seen: readonly ScanFinding[], looked: Looked): Promise<Result<void>> {
    const { repository, revision, atMs, files, read, findings, leftOut } = scan;
    return this.#write("keep a scan", (connection) => {
      const see = connection.prepare(SEE);
      for (const one of seen) {
        const { fingerprint, kind, rule, path, line, severity, effort, title, evidence } = one;
        const said = [kind, rule, path, line, severity, effort, title, evidence, source];
        see.run([repository, fingerprint, ...said, atMs, atMs]);
      }
      const rules = looked === "all" ? "" : ` AND rule IN (${looked.map(() => "?").join(", ")})`;
      connection
        .prepare(`${GONE} AND source = ? AND state = 'open' AND last_seen_ms < ?${rules}`)
        .run([repository, source, atMs, ...(looked === "all" ? [] : looked)]);
      if (source === "scan") {
        connection.prepare(SCANNED).run([repository, revision, atMs, files, read, findings, JSON.stringify(leftOut)]);
      }
      return ok(undefined);
    });
  }

  markGone(repository: string, fingerprints: readonly string[]): Promise<Result<void>> {
    return this.#write("note findings as gone", (connection) => {
      const gone = connection.prepare(`${GONE} AND fingerprint = ? AND state = 'open'`);
      for (const fingerprint of fingerprints) gone.run([repository, fingerprint]);
      return ok(undefined);
    });
  }

  findings({ repository, states, limit }: FindingFilter): Result<readonly KnownFinding[]> {
    const wanted = states ?? ["open", "gone", "dismissed"];
    const marks = wanted.map(() => "?").join(", ");
    const own = repository === undefined ? "" : " AND repository = ?";
    const sql = `SELECT ${FINDING} FROM finding WHERE state IN (${marks})${own} ORDER BY repository, fingerprint LIMIT ?`;
    const params = [...wanted, ...(repository === undefined ? [] : [repository]), limit];
    return this.#read("read findings", sql, params, findingOf);
  }

  finding(fingerprint: string): Result<KnownFinding> {
    return findOne(this.#reading, fingerprint);
  }

  dismiss(fingerprint: string, reason: string): Promise<Result<KnownFinding>> {
    return this.#change(fingerprint, "dismiss a finding", (connection, { repository, fingerprint: whole }) => {
      connection
        .prepare("UPDATE finding SET state = 'dismissed', reason = ? WHERE repository = ? AND fingerprint = ?")
        .run([reason, repository, whole]);
    });
  }

  reopen(fingerprint: string): Promise<Result<KnownFinding>> {
    return this.#change(fingerprint, "reopen a finding", (connection, { repository, fingerprint: whole }) => {
      connection
        .prepare(
          "UPDATE finding SET state = 'open', reason = NULL, returns = 0 WHERE repository = ? AND fingerprint = ? AND state = 'dismissed'",
        )
        .run([repository, whole]);
      connection
        .prepare(
          "DELETE FROM finding_try WHERE repository = ? AND fingerprint = ? AND state IN ('failed', 'cancelled')",
        )
        .run([repository, whole]);
    });
  }

  #change(
    fingerprint: string,
    label: string,
    change: (connection: Connection, finding: KnownFinding) => void,
  ): Promise<Result<KnownFinding>> {
    return this.#write(label, (connection) => {
      const found = findOne(connection, fingerprint);
      if (!found.ok) return found;
      change(connection, found.value);
      return findOne(connection, found.value.fingerprint);
    });
  }

  tries(): Result<readonly Try[]> {
    const sql = `SELECT ${TRY} FROM finding_try ORDER BY chosen_at_ms DESC, repository, fingerprint, n LIMIT ?`;
    return this.#read("read tries", sql, [MAX_TRIES], tryOf);
  }

  begin(one: Try): Promise<Result<void>> {
    const { repository, fingerprint, n, kind, rule, path, files, state, goal, why, chosenAtMs, endedAtMs } = one;
    return this.#write("begin an improvement", (connection) => {
      const taken = connection.prepare(
        "SELECT 1 FROM finding_try WHERE repository = ? AND fingerprint = ? AND (n = ? OR ended_at_ms IS NULL)",
      );
      if (taken.get([repository, fingerprint, n]) !== undefined) {
        return err(refused("conflict", `${fingerprint} is worked on already`));
      }
      connection
        .prepare(`INSERT INTO finding_try (${TRY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
        .run([
          repository,
          fingerprint,
          n,
          kind,
          rule,
          path,
          JSON.stringify(files),
          state,
          goal,
          why,
          chosenAtMs,
          endedAtMs,
        ]);
      return ok(undefined);
    });
  }

  move(before: Pick<Try, "repository" | "fingerprint" | "n" | "state">, after: TryChange): Promise<Result<boolean>> {
    const { state, goal = null, files, why = null, endedAtMs = null } = after;
    const sql = `UPDATE finding_try SET state = ?, goal = coalesce(?, goal), files = coalesce(?, files),
      why = coalesce(?, why), ended_at_ms = ? WHERE repository = ? AND fingerprint = ? AND n = ? AND state = ?`;
    const touched = files === undefined ? null : JSON.stringify(files);
    const which = [before.repository, before.fingerprint, before.n, before.state];
    return this.#write("note what became of an improvement", (connection) =>
      ok(connection.prepare(sql).run([state, goal, touched, why, endedAtMs, ...which]) > 0),
    );
  }

  lookedAtMs(kind: "scan" | "propose"): Result<number | null> {
    return onStorage("read when something was looked for", () => {
      const row = this.#reading.prepare("SELECT at_ms FROM mind_look WHERE kind = ?").get([kind]);
      return row === undefined ? null : number(row, 0);
    });
  }

  putLook(kind: "scan" | "propose", atMs: number, detail: string): Promise<Result<void>> {
    const sql = `INSERT INTO mind_look (kind, at_ms, detail) VALUES (?, ?, ?)
      ON CONFLICT (kind) DO UPDATE SET at_ms = excluded.at_ms, detail = excluded.detail`;
    return this.#write("note when something was looked for", (connection) => {
      connection.prepare(sql).run([kind, atMs, detail]);
      return ok(undefined);
    });
  }

  questions(kind: Question["kind"]): Result<readonly Question[]> {
    const sql = `SELECT ${QUESTION} FROM mind_question WHERE kind = ? ORDER BY at_ms DESC, key LIMIT ?`;
    return this.#read("read questions", sql, [kind, MAX_QUESTIONS], questionOf);
  }

  putQuestion({ key, kind, subject, state, asks, taskId, about, note, atMs }: Question): Promise<Result<void>> {
    return this.#write("keep a question", (connection) => {
      connection
        .prepare(PUT_QUESTION)
        .run([key, kind, subject, state, asks, taskId, JSON.stringify(about), note, atMs]);
      return ok(undefined);
    });
  }

  prune(beforeMs: number, limit: number): Promise<Result<number>> {
    return this.#write("prune findings", (connection) => {
      const run = (sql: string): number => connection.prepare(sql).run([beforeMs, limit]);
      const gone = run(
        `DELETE FROM finding WHERE (repository, fingerprint) IN (SELECT repository, fingerprint FROM finding
          WHERE state = 'gone' AND last_seen_ms < ? LIMIT ?)`,
      );
      const asked = run(
        "DELETE FROM mind_question WHERE key IN (SELECT key FROM mind_question WHERE state <> 'asked' AND at_ms < ? LIMIT ?)",
      );
      // What was reverted decides for good; it is never forgotten.
      const tried = run(
        `DELETE FROM finding_try WHERE (repository, fingerprint, n) IN (SELECT repository, fingerprint, n FROM finding_try
          WHERE state IN ('done', 'failed', 'cancelled') AND ended_at_ms < ? LIMIT ?)`,
      );
      return ok(gone + asked + tried);
    });
  }

  #read<T>(label: string, sql: string, params: readonly (string | number)[], of: (row: SqlRow) => T): Result<T[]> {
    return onStorage(label, () => this.#reading.prepare(sql).all(params).map(of));
  }
}

function findOne(connection: Connection, fingerprint: string): Result<KnownFinding> {
  const remedy = "List them with: drover improvement list";
  if (!/^[0-9a-f]{4,16}$/.test(fingerprint)) {
    return err(refused("invalid", "a fingerprint is 4 to 16 digits and letters from a to f", remedy));
  }
  const sql = `SELECT ${FINDING} FROM finding WHERE fingerprint >= ? AND fingerprint < ? LIMIT 2`;
  const found = onStorage("find a finding", () => connection.prepare(sql).all([fingerprint, `${fingerprint}g`]));
  if (!found.ok) return found;
  const [first, second] = found.value;
  if (first === undefined) return err(refused("not_found", `there is no finding ${fingerprint}`, remedy));
  if (second !== undefined)
    return err(refused("conflict", `several findings begin with ${fingerprint}`, "Write more of it"));
  return ok(findingOf(first));
}

// The CHECKs of the tables say which words there are, and JSON was written by this file.

function scanOf(row: SqlRow): ScanRecord {
  return {
    repository: text(row, 0),
    revision: text(row, 1),
    atMs: number(row, 2),
    files: number(row, 3),
    read: number(row, 4),
    findings: number(row, 5),
    leftOut: JSON.parse(text(row, 6)) as string[],
  };
}

function findingOf(row: SqlRow): KnownFinding {
  return {
    repository: text(row, 0),
    fingerprint: text(row, 1),
    kind: text(row, 2) as KnownFinding["kind"],
    rule: text(row, 3),
    path: text(row, 4),
    line: row[5] === null ? null : number(row, 5),
    severity: text(row, 6) as KnownFinding["severity"],
    effort: text(row, 7) as KnownFinding["effort"],
    title: text(row, 8),
    evidence: text(row, 9),
    source: text(row, 10) as KnownFinding["source"],
    state: text(row, 11) as KnownFinding["state"],
    firstSeenMs: number(row, 12),
    lastSeenMs: number(row, 13),
    returns: number(row, 14),
    reason: textOrNull(row, 15),
  };
}

function tryOf(row: SqlRow): Try {
  return {
    repository: text(row, 0),
    fingerprint: text(row, 1),
    n: number(row, 2),
    kind: text(row, 3) as Try["kind"],
    rule: text(row, 4),
    path: text(row, 5),
    files: JSON.parse(text(row, 6)) as string[],
    state: text(row, 7) as Try["state"],
    goal: textOrNull(row, 8),
    why: text(row, 9),
    chosenAtMs: number(row, 10),
    endedAtMs: row[11] === null ? null : number(row, 11),
  };
}

function questionOf(row: SqlRow): Question {
  return {
    key: text(row, 0),
    kind: text(row, 1) as Question["kind"],
    subject: text(row, 2),
    state: text(row, 3) as Question["state"],
    asks: number(row, 4),
    taskId: textOrNull(row, 5),
    about: JSON.parse(text(row, 6)) as JsonObject,
    note: textOrNull(row, 7),
    atMs: number(row, 8),
  };
}
