import { err, type Failure, InvariantBroken, type Result, refused, retryable, terminal } from "#base";
import type { Connection } from "./connection.ts";
import { RecordTooLarge } from "./primary/recording.ts";
import { storageFailure } from "./storage-failure.ts";

/**
 * The one writer of a database. Commands that wait are committed together, so that 32 callers cost one flush of the
 * disk instead of 32.
 *
 * W1: a caller is answered only after the COMMIT that holds its writes returned.
 * W2: commands take effect in the order of their calls.
 * W3: a command that throws, or refuses after it wrote, rejects alone and leaves nothing behind.
 * W4: a fault of the storage is answered to the whole group as a failure, and the writer stays usable.
 *
 * W8: while something is withheld, nobody is answered that a command took effect: what comes is refused, and what was
 *     committed meanwhile is answered as the failure. Whether it took effect its caller cannot know.
 *
 * On the hub of a fleet a group is committed by a server first (`Replication`), which takes time. Then also:
 * W5: a caller is answered only after the server's commit and ours; a group without writes does not ask the server.
 * W6: one group at a time: what comes meanwhile waits, and runs on the state that the group left.
 * W7: nobody else uses the writing connection while a group is under way, for its transaction is open.
 * W9: what the server committed and a fault of this host's disk kept from being committed here is made again here, before
 *     anything else. Its callers wait for that as long as for a server, and are told then that it took effect.
 */

/** What a group works with: kept in memory while commands run, handed to the database by `flush`. */
export interface WorkUnit<Tx> {
  /** Called after BEGIN. */
  begin(): Tx;
  /** Counts writes; it only has to differ after one. */
  writes(): number;
  /** Hands everything still in memory to the database; called before COMMIT. */
  flush(): void;
  /** Called after COMMIT, before callers are answered. */
  committed(): void;
  /** Called after ROLLBACK: whatever was read or written since `begin` is void. */
  rolledBack(): void;
}

/** Commits elsewhere what a group wrote, before it is committed here. */
export interface Replication {
  /** Called after BEGIN. */
  begin(): void;
  /** Called after `flush`, at most once per group; undefined when the group wrote nothing. Never rejects. */
  commit(): Promise<Replicated> | undefined;
  /** Within a transaction of this host: makes again what was committed elsewhere last. Throws what the storage throws. */
  repeat(): void;
  /** What was committed elsewhere cannot be committed here. */
  localFailed(failure: Failure): void;
}

export type Replicated =
  /** With what kept it from being written here. */
  | { readonly kind: "committed"; readonly fault?: Error }
  /** A statement was refused there that was none here: nothing took effect. */
  | { readonly kind: "refused"; readonly cause: Error }
  /** Nothing will be committed here; whether it was there, callers cannot know. */
  | { readonly kind: "failed"; readonly failure: Failure };

/** Places at which a crash test may end the process. */
export type CrashPoint =
  | "store.begin.before"
  | "store.begin.after"
  | "store.replicate.before"
  | "store.replicate.after"
  | "store.commit.before"
  | "store.commit.after"
  | "store.answer.before";

export type WriterOptions = {
  readonly crashPoint?: (label: CrashPoint) => void;
  /** Monotonic milliseconds. */
  readonly elapsedMs?: () => number;
  readonly maxWaiting?: number;
  readonly maxGroup?: number;
  readonly replication?: Replication;
  /** How long callers wait for this host's disk once the server has what they wrote. */
  readonly patienceMs?: number;
  /** Why nothing may be acknowledged at this moment; undefined when everything may. */
  readonly withhold?: () => Failure | undefined;
};

/** Commands in one transaction: more no longer pays (the flush is already below 1 µs each). */
const MAX_GROUP_COMMANDS = 256;
/** One group may hold the event loop this long; what is left over goes into the next one. */
const MAX_GROUP_MS = 15;
/** Callers that may wait: at 10,000 a second this is a second of delay, and beyond it a refusal is kinder. */
const MAX_WAITING_COMMANDS = 10_000;

/** As long as for a server that does not answer. */
const PATIENCE_MS = 10_000;
const AGAIN_MS = 100;

const TOO_LARGE_REMEDY = "Give it in several smaller parts, or as a file; nothing was changed";

type Waiting<Tx> = {
  readonly label: string;
  readonly command: (tx: Tx) => Result<unknown>;
  readonly resolve: (result: Result<unknown>) => void;
  readonly reject: (cause: unknown) => void;
};

export class Writer<Tx> {
  readonly #connection: Connection;
  readonly #unit: WorkUnit<Tx>;
  readonly #crashPoint: (label: CrashPoint) => void;
  readonly #elapsedMs: () => number;
  readonly #maxWaiting: number;
  readonly #maxGroup: number;
  readonly #replication: Replication | undefined;
  readonly #withhold: () => Failure | undefined;
  readonly #patienceMs: number;
  /** What the server committed last is not committed here (W9). */
  #isBehind = false;
  #waiting: Waiting<Tx>[] = [];
  #isScheduled = false;
  #isClosed = false;
  #drained: (() => void)[] = [];
  #commits = 0;

  constructor(connection: Connection, unit: WorkUnit<Tx>, options: WriterOptions = {}) {
    this.#connection = connection;
    this.#unit = unit;
    this.#crashPoint = options.crashPoint ?? (() => undefined);
    this.#elapsedMs = options.elapsedMs ?? (() => performance.now());
    this.#maxWaiting = options.maxWaiting ?? MAX_WAITING_COMMANDS;
    this.#maxGroup = options.maxGroup ?? MAX_GROUP_COMMANDS;
    this.#replication = options.replication;
    this.#withhold = options.withhold ?? (() => undefined);
    this.#patienceMs = options.patienceMs ?? PATIENCE_MS;
  }

  /** Transactions committed since the start. */
  get commits(): number {
    return this.#commits;
  }

  /** Commands that wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Runs `command` in the next group. It may run again from the start as long as it was not answered. */
  transact<T>(label: string, command: (tx: Tx) => Result<T>): Promise<Result<T>> {
    if (this.#isClosed) return Promise.resolve(err(terminal("unavailable", `${label}: the store is closed`)));
    const withheld = this.#withhold();
    if (withheld !== undefined) return Promise.resolve(err({ ...withheld, message: `${label}: ${withheld.message}` }));
    if (this.#waiting.length >= this.#maxWaiting) {
      const message = `${label}: ${this.#waiting.length} commands wait for the disk already`;
      return Promise.resolve(err(retryable("limit", message, "Try again in a second")));
    }
    return new Promise((resolve, reject) => {
      // `as`: it is only ever called with what `command` itself returned, or with a failure.
      this.#waiting.push({ label, command, resolve: resolve as (result: Result<unknown>) => void, reject });
      this.#schedule();
    });
  }

  /** Refuses new commands and resolves when those that wait were answered. */
  close(): Promise<void> {
    this.#isClosed = true;
    if (this.#waiting.length === 0 && !this.#isScheduled) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained.push(resolve);
    });
  }

  /** A turn of the event loop gathers the callers of that turn, and lets timers and sockets in between groups. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      if (this.#replication === undefined) {
        this.#runGroup();
        this.#afterGroup();
      } else {
        void this.#replicateGroup(this.#replication).then(() => this.#afterGroup());
      }
    });
  }

  #afterGroup(): void {
    this.#isScheduled = false;
    if (this.#waiting.length > 0) {
      this.#schedule();
      return;
    }
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  #runGroup(): void {
    const group = this.#waiting.splice(0, this.#maxGroup);
    const done = this.#commitTogether(group);
    if (done === "separate") {
      for (const command of group) this.#commitTogether([command]);
    } else if (done < group.length) {
      this.#waiting.unshift(...group.slice(done));
    }
  }

  async #replicateGroup(replication: Replication): Promise<void> {
    const group = this.#waiting.splice(0, this.#maxGroup);
    const done = await this.#replicateTogether(group, replication);
    if (done === "separate") {
      for (const command of group) await this.#replicateTogether([command], replication);
    } else if (done < group.length) {
      this.#waiting.unshift(...group.slice(done));
    }
  }

  /** @returns how many commands were answered, or that each must be tried alone because one of them threw. */
  #commitTogether(group: readonly Waiting<Tx>[]): number | "separate" {
    let results: readonly Result<unknown>[];
    try {
      results = this.#runCommands(group);
      this.#commit();
    } catch (cause) {
      return this.#undo(group, cause);
    }
    return this.#answer(group, results);
  }

  /** As `#commitTogether`; the transaction stays open until the server has committed. */
  async #replicateTogether(group: readonly Waiting<Tx>[], replication: Replication): Promise<number | "separate"> {
    const behind = this.#isBehind ? await this.#catchUp(replication, 0) : undefined;
    if (behind !== undefined) return this.#fail(group, notYet(behind));
    let results: readonly Result<unknown>[] = [];
    let isElsewhere = false;
    try {
      results = this.#runCommands(group);
      this.#crashPoint("store.replicate.before");
      const replicated = await replication.commit();
      if (replicated?.kind === "refused") throw replicated.cause;
      if (replicated?.kind === "failed") return this.#fail(group, this.#rollBack() ?? replicated.failure);
      isElsewhere = replicated !== undefined;
      this.#crashPoint("store.replicate.after");
      if (replicated?.fault !== undefined) throw replicated.fault;
      this.#crashPoint("store.commit.before");
      // Without writes there is no flush to wait for.
      if (isElsewhere) await this.#connection.commitAside();
      else this.#connection.prepare("COMMIT").run([]);
    } catch (cause) {
      if (!isElsewhere) return this.#undo(group, cause);
      this.#isBehind = true;
      const failure = await this.#catchUp(replication, this.#patienceMs, cause);
      return failure === undefined
        ? this.#tell(group, results)
        : this.#fail(group.slice(0, results.length), doneElsewhere(failure));
    }
    return this.#answer(group, results);
  }

  /**
   * W9: commits here what the server has. What commands left in memory is kept meanwhile: it is of the state that the
   * server is in, and nothing runs before this is done.
   * @returns why it cannot be done now
   */
  async #catchUp(replication: Replication, patienceMs: number, fault?: unknown): Promise<Failure | undefined> {
    const deadlineMs = this.#elapsedMs() + patienceMs;
    for (let failure = fault === undefined ? undefined : faultOf(fault); ; ) {
      if (failure !== undefined && failure.kind !== "retryable") {
        replication.localFailed(failure);
        return failure;
      }
      if (failure !== undefined && this.#elapsedMs() >= deadlineMs) return failure;
      if (failure !== undefined) await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      try {
        if (this.#connection.inTransaction()) this.#connection.prepare("ROLLBACK").run([]);
        this.#connection.prepare("BEGIN IMMEDIATE").run([]);
        replication.repeat();
        await this.#connection.commitAside();
        break;
      } catch (cause) {
        failure = faultOf(cause);
      }
    }
    this.#isBehind = false;
    this.#took();
    return undefined;
  }

  /** Leaves a transaction with everything that the commands wrote. */
  #runCommands(group: readonly Waiting<Tx>[]): readonly Result<unknown>[] {
    const results: Result<unknown>[] = [];
    this.#crashPoint("store.begin.before");
    this.#connection.prepare("BEGIN IMMEDIATE").run([]);
    this.#replication?.begin();
    const tx = this.#unit.begin();
    this.#crashPoint("store.begin.after");
    const deadlineMs = this.#elapsedMs() + MAX_GROUP_MS;
    for (const waiting of group) {
      const before = this.#unit.writes();
      const result = waiting.command(tx);
      if (!result.ok && this.#unit.writes() !== before) {
        throw new InvariantBroken(`W3: ${waiting.label} refused after it wrote: ${result.error.message}`);
      }
      results.push(result);
      if (this.#elapsedMs() > deadlineMs) break;
    }
    this.#unit.flush();
    return results;
  }

  #commit(): void {
    this.#crashPoint("store.commit.before");
    this.#connection.prepare("COMMIT").run([]);
  }

  #answer(group: readonly Waiting<Tx>[], results: readonly Result<unknown>[]): number {
    this.#took();
    return this.#tell(group, results);
  }

  #took(): void {
    this.#commits += 1;
    this.#crashPoint("store.commit.after");
    this.#unit.committed();
  }

  #tell(group: readonly Waiting<Tx>[], results: readonly Result<unknown>[]): number {
    this.#crashPoint("store.answer.before");
    const withheld = this.#withhold();
    if (withheld !== undefined) return this.#fail(group.slice(0, results.length), withheld);
    for (const [index, result] of results.entries()) group[index]?.resolve(result);
    return results.length;
  }

  #undo(group: readonly Waiting<Tx>[], cause: unknown): number | "separate" {
    const rollback = this.#rollBack();
    const failure = storageFailure(cause, "write") ?? rollback;
    if (failure !== undefined) return this.#fail(group, failure);
    if (group.length > 1) return "separate";
    if (cause instanceof RecordTooLarge)
      return this.#fail(group, refused("too_large", cause.message, TOO_LARGE_REMEDY));
    group[0]?.reject(cause);
    return group.length;
  }

  #fail(group: readonly Waiting<Tx>[], failure: Failure): number {
    for (const waiting of group) waiting.resolve(err({ ...failure, message: `${waiting.label}: ${failure.message}` }));
    return group.length;
  }

  /** A full disk or a broken file may have ended the transaction already. */
  #rollBack(): Failure | undefined {
    try {
      if (this.#connection.inTransaction()) this.#connection.prepare("ROLLBACK").run([]);
      return undefined;
    } catch (cause) {
      return storageFailure(cause, "roll back") ?? terminal("internal", `roll back: ${String(cause)}`);
    } finally {
      this.#unit.rolledBack();
    }
  }
}

function faultOf(cause: unknown): Failure {
  return storageFailure(cause, "write") ?? terminal("internal", String(cause));
}

function doneElsewhere(failure: Failure): Failure {
  return {
    ...failure,
    message: `it is done on the fleet's server, and this host cannot write it: ${failure.message}`,
    remedy: `${failure.remedy ?? "Look at the disk of the state directory"}. Repeat it, a submission with its idempotency key: it takes effect once`,
  };
}

function notYet(failure: Failure): Failure {
  const message = `nothing was changed: this host has yet to write what the fleet's server has: ${failure.message}`;
  return { ...failure, message };
}
