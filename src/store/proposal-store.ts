import type { Decision, Proposal, ProposalDraft, ProposalState, ProposalStore } from "#activities";
import { err, ok, type Result, refused } from "#base";
import { type Connection, number, type SqlRow, text, textOrNull } from "./connection.ts";
import type { Write } from "./model-store.ts";
import { onStorage } from "./storage-failure.ts";

const COLUMNS =
  "id, fingerprint, state, body, source, created_at_ms, seen_at_ms, seen, decided_at_ms, decided_by, reason, goal";
/** Figures of an open one are those of the latest look; what was decided stays as it was when a person read it. */
const PROPOSE = `INSERT INTO proposal (${COLUMNS}) VALUES (?, ?, 'open', ?, ?, ?, ?, 1, NULL, NULL, NULL, NULL)
  ON CONFLICT (fingerprint) DO UPDATE SET seen_at_ms = excluded.seen_at_ms, seen = proposal.seen + 1,
    body = CASE proposal.state WHEN 'open' THEN excluded.body ELSE proposal.body END`;

/** Proposals, in fleet.db. */
export class LibsqlProposalStore implements ProposalStore {
  readonly #write: Write;
  readonly #reading: Connection;

  constructor(write: Write, reading: Connection) {
    this.#write = write;
    this.#reading = reading;
  }

  list(states: readonly ProposalState[], limit: number): Result<readonly Proposal[]> {
    const marks = states.map(() => "?").join(", ");
    const sql = `SELECT ${COLUMNS} FROM proposal WHERE state IN (${marks}) ORDER BY created_at_ms DESC, id LIMIT ?`;
    return onStorage("read proposals", () =>
      this.#reading
        .prepare(sql)
        .all([...states, limit])
        .map(proposalOf),
    );
  }

  find(id: string): Result<Proposal> {
    return findOne(this.#reading, id);
  }

  propose({ body, source, fingerprint }: ProposalDraft, id: string, atMs: number): Promise<Result<Proposal>> {
    return this.#write("keep a proposal", (connection) => {
      connection.prepare(PROPOSE).run([id, fingerprint, JSON.stringify(body), source, atMs, atMs]);
      const row = connection.prepare(`SELECT ${COLUMNS} FROM proposal WHERE fingerprint = ?`).get([fingerprint]);
      return row === undefined ? err(refused("not_found", "the proposal is gone")) : ok(proposalOf(row));
    });
  }

  seenAgain(id: string, atMs: number): Promise<Result<void>> {
    return this.#write("note a proposal", (connection) => {
      connection.prepare("UPDATE proposal SET seen_at_ms = ?, seen = seen + 1 WHERE id = ?").run([atMs, id]);
      return ok(undefined);
    });
  }

  decide(id: string, { state, by, reason, atMs }: Decision): Promise<Result<Proposal>> {
    return this.#write("decide a proposal", (connection) => {
      const found = findOne(connection, id);
      if (!found.ok || found.value.state === state) return found;
      if (found.value.state !== "open") {
        const message = `proposal ${found.value.id} was ${found.value.state} already`;
        return err(
          refused("conflict", message, "What was decided stays; cancel its goal, or wait for the next proposal"),
        );
      }
      connection
        .prepare(
          "UPDATE proposal SET state = ?, decided_at_ms = ?, decided_by = ?, reason = ? WHERE id = ? AND state = 'open'",
        )
        .run([state, atMs, by, reason, found.value.id]);
      return findOne(connection, found.value.id);
    });
  }

  putGoal(id: string, goal: string): Promise<Result<void>> {
    return this.#write("note a proposal's goal", (connection) => {
      connection.prepare("UPDATE proposal SET goal = ? WHERE id = ? AND state = 'approved'").run([goal, id]);
      return ok(undefined);
    });
  }
}

function findOne(connection: Connection, id: string): Result<Proposal> {
  const remedy = "List them with: drover proposal list";
  if (!/^[A-Za-z0-9_-]{4,40}$/.test(id)) return err(refused("invalid", "that is no id of a proposal", remedy));
  const sql = `SELECT ${COLUMNS} FROM proposal WHERE id >= ? AND id < ? ORDER BY id LIMIT 2`;
  const found = onStorage("find a proposal", () => connection.prepare(sql).all([id, `${id}~`]));
  if (!found.ok) return found;
  const [first, second] = found.value;
  if (first === undefined) return err(refused("not_found", `there is no proposal ${id}`, remedy));
  if (second !== undefined && text(first, 0) !== id) {
    return err(refused("conflict", `several proposals begin with ${id}`, "Write more of it"));
  }
  return ok(proposalOf(first));
}

// The CHECKs of the table say which words there are, and the JSON was written by `propose`.
function proposalOf(row: SqlRow): Proposal {
  return {
    id: text(row, 0),
    fingerprint: text(row, 1),
    state: text(row, 2) as Proposal["state"],
    body: JSON.parse(text(row, 3)) as Proposal["body"],
    source: text(row, 4) as Proposal["source"],
    createdAtMs: number(row, 5),
    seenAtMs: number(row, 6),
    seen: number(row, 7),
    decidedAtMs: row[8] === null ? null : number(row, 8),
    decidedBy: textOrNull(row, 9),
    reason: textOrNull(row, 10),
    goal: textOrNull(row, 11),
  };
}
