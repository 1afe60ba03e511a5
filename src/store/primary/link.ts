import { randomUUID } from "node:crypto";
import { err, type Failure, InvariantBroken, ok, type Result, retryable, terminal } from "#base";
import { number, text, unpacked } from "../connection.ts";
import { storageFailure } from "../storage-failure.ts";
import type { Replicated, Replication } from "../writer.ts";
import type { BatchAnswer } from "./hrana.ts";
import { guard, next, type Position, READ_POSITION, settle, writePosition } from "./position.ts";
import type { RecordedStatement, RecordingConnection } from "./recording.ts";
import { isMissingTable, REQUEST_TIMEOUT_MS, type Server } from "./server.ts";

/**
 * Sends what a group wrote to the server, which has to commit it before the working copy does.
 *
 * P1: a batch takes effect only on a server that stands exactly where the working copy stands, and at most once.
 * P2: the working copy commits a batch only after the server did.
 *     Where the disk of this host keeps it from that, `repeat` makes the batch again from the record.
 * P3: when it is not known whether a batch took effect, the server's position decides, and nothing else.
 * P4: a batch whose callers were told that it failed never becomes part of the working copy. Should it take effect on
 *     the server after all, the next batch finds it there, and this hub stops: its next start takes over what the
 *     server has, and gives every running task a lease again.
 */
export class PrimaryLink implements Replication {
  readonly #server: Server;
  readonly #recording: RecordingConnection;
  readonly #onDiverged: (failure: Failure) => void;
  readonly #limits: LinkLimits;
  #position: Position;
  /** Once set, nothing is written any more. */
  #diverged: Failure | undefined;
  /** The last batch was given up: the next one is not waited for as long, so that callers hear soon. */
  #isDown = false;
  /** What the server committed last. */
  #last: { readonly statements: readonly RecordedStatement[]; readonly to: Position } | undefined;

  constructor(parts: LinkParts) {
    this.#server = parts.server;
    this.#recording = parts.recording;
    this.#onDiverged = parts.onDiverged;
    this.#limits = { ...LIMITS, ...parts.limits };
    this.#position = parts.position;
  }

  get position(): Position {
    return this.#position;
  }

  begin(): void {
    this.#last = undefined;
    this.#recording.clear();
  }

  commit(): Promise<Replicated> | undefined {
    const statements = this.#recording.recorded;
    return statements.length === 0 ? undefined : this.#commit(statements, this.#position.epoch);
  }

  /** As {@link commit}, also of nothing, and from then on under another epoch. */
  commitUnder(epoch: number): Promise<Replicated> {
    return this.#commit(this.#recording.recorded, epoch);
  }

  /** A transaction of the working copy and of the server. Throws what `write` throws. */
  async transact(write: (recording: RecordingConnection) => void, epoch = this.#position.epoch): Promise<Result<void>> {
    const connection = this.#recording;
    connection.exec("BEGIN IMMEDIATE");
    try {
      this.begin();
      write(connection);
      const replicated = await this.commitUnder(epoch);
      if (replicated.kind === "refused") throw replicated.cause;
      if (replicated.kind === "failed") return err(replicated.failure);
      if (replicated.fault !== undefined) throw replicated.fault;
      connection.exec("COMMIT");
      return ok(undefined);
    } finally {
      if (connection.inTransaction()) connection.exec("ROLLBACK");
    }
  }

  repeat(): void {
    if (this.#last === undefined) throw new InvariantBroken("P2: nothing was committed on the server");
    const { statements, to } = this.#last;
    const { unrecorded } = this.#recording;
    for (const { sql, args, changes } of statements) {
      const changed = unrecorded.prepare(sql).run(args.map(unpacked));
      if (changes === null || changes === changed) continue;
      throw new InvariantBroken(`P2: ${changed} rows where the server changed ${changes}: ${sql}`);
    }
    writePosition(unrecorded, to);
  }

  localFailed(failure: Failure): void {
    if (this.#diverged !== undefined) return;
    const message = `the server has a commit that this host could not write: ${failure.message}`;
    this.#stop({ ...failure, message });
  }

  close(): void {
    this.#server.close();
  }

  async #commit(statements: readonly RecordedStatement[], epoch: number): Promise<Replicated> {
    if (this.#diverged !== undefined) return { kind: "failed", failure: this.#diverged };
    const from = this.#position;
    const to = next(from, randomUUID(), epoch);
    const outcome = await this.#send([guard(from, to), ...statements], from, to);
    this.#isDown = outcome.kind === "failed";
    if (outcome.kind !== "committed") return outcome;
    this.#position = to;
    this.#last = { statements, to };
    try {
      writePosition(this.#recording.unrecorded, to);
    } catch (cause) {
      return { ...outcome, fault: cause instanceof Error ? cause : new Error(String(cause)) };
    }
    return outcome;
  }

  /** Sends a batch until what became of it is known, or until callers have waited long enough. */
  async #send(batch: readonly RecordedStatement[], from: Position, to: Position): Promise<Replicated> {
    const { requestMs, patienceMs, patienceDownMs, pauseMs, maxPauseMs } = this.#limits;
    const deadlineMs = performance.now() + (this.#isDown ? patienceDownMs : patienceMs);
    this.#server.timeoutMs = this.#isDown ? Math.min(requestMs, patienceDownMs) : requestMs;
    for (let pause = pauseMs; ; pause = Math.min(pause * 2, maxPauseMs)) {
      const answer = await this.#server.batch(batch);
      const known = this.#judge(answer, batch) ?? (await this.#settle(from, to));
      if (known !== undefined) return known;
      if (performance.now() + pause > deadlineMs) return { kind: "failed", failure: unresolved(answer) };
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** @returns undefined when the answer does not say what became of the batch. */
  #judge(answer: BatchAnswer, batch: readonly RecordedStatement[]): Replicated | undefined {
    if (answer.kind === "unknown") return undefined;
    if (answer.kind === "refused") {
      // The guard's own refusal: the server stands elsewhere, perhaps because this very batch took effect before.
      if (answer.statement === 0) return undefined;
      const fault = storageFailure(answer.cause, "commit on the server");
      return fault === undefined
        ? { kind: "refused", cause: answer.cause }
        : { kind: "failed", failure: atServer(fault) };
    }
    const unlike = batch.findIndex(({ changes }, index) => changes !== null && changes !== answer.changes[index]);
    if (unlike === -1) return { kind: "committed" };
    const message = `the server changed ${answer.changes[unlike]} rows where the working copy changed ${batch[unlike]?.changes}: ${batch[unlike]?.sql}`;
    return this.#stop(terminal("internal", message, REMEDY));
  }

  /** Asks the server where it stands. */
  async #settle(from: Position, to: Position): Promise<Replicated | undefined> {
    let found: Position;
    try {
      const [row] = await this.#server.rows(READ_POSITION);
      if (row === undefined)
        return this.#stop(terminal("conflict", "the server's database has no count of commits", REMEDY));
      found = { epoch: number(row, 0), seq: number(row, 1), batch: text(row, 2) };
    } catch (cause) {
      if (!isMissingTable(cause)) return undefined;
      return this.#stop(terminal("conflict", "the server holds another database than before, or none", REMEDY));
    }
    switch (settle(from, to, found)) {
      case "applied":
        return { kind: "committed" };
      case "absent":
        return undefined;
      case "diverged": {
        const message = `the server stands at commit ${found.epoch}.${found.seq}, this hub at ${from.epoch}.${from.seq}: somebody else wrote to it`;
        return this.#stop(terminal("conflict", message, REMEDY));
      }
    }
  }

  #stop(failure: Failure): Replicated {
    this.#diverged = failure;
    this.#onDiverged(failure);
    return { kind: "failed", failure };
  }
}

export type LinkParts = {
  readonly server: Server;
  readonly recording: RecordingConnection;
  /** Where working copy and server stand, both. */
  readonly position: Position;
  /** Called once: nothing can be written until the next start. */
  readonly onDiverged: (failure: Failure) => void;
  readonly limits?: Partial<LinkLimits>;
};

export type LinkLimits = {
  /** Of one request: a server on the same host answers in 1 to 400 ms, one that does not in this time hangs. */
  readonly requestMs: number;
  /** A caller hears of a server that does not answer after this long; sqld is started again within 2 s. */
  readonly patienceMs: number;
  /** The same while the server is known to be away. */
  readonly patienceDownMs: number;
  /** Before a batch is sent again; doubled each time. */
  readonly pauseMs: number;
  readonly maxPauseMs: number;
};

const LIMITS: LinkLimits = {
  requestMs: REQUEST_TIMEOUT_MS,
  patienceMs: 10_000,
  patienceDownMs: 1_000,
  pauseMs: 20,
  maxPauseMs: 500,
};

const REMEDY = "The node starts again and takes over what the server has. If it repeats, another hub writes: stop one";

function unresolved(answer: BatchAnswer): Failure {
  const cause = answer.kind === "committed" ? undefined : answer.cause;
  const fault = cause === undefined ? undefined : storageFailure(cause, "commit on the server");
  if (fault !== undefined) return atServer(fault);
  const why = cause?.message ?? "no answer";
  const remedy =
    "Check the libSQL server; the work goes on by itself when it answers. Repeat with the same idempotency key";
  return retryable("unavailable", `the libSQL server gave no answer that counts: ${why}`, remedy);
}

/** The same fault, on the server's disk. */
function atServer(failure: Failure): Failure {
  return { ...failure, remedy: `On the libSQL server: ${failure.remedy ?? "look at its log"}` };
}
