import { existsSync, readdirSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type CommandId, err, FLEET_FILE, type NodeId, ok, type Result, retryable, type TaskId } from "#base";
import {
  entryOf,
  type NewEntry,
  type OwnEvent,
  type Quarantine,
  type QuarantineEntry,
  type QuarantineFolder,
  type QuarantineOutcome,
  type Resend,
} from "#fleet";
import type { Fence } from "#queue";
import type { Connection } from "../connection.ts";
import { LongReader } from "../long-reader.ts";
import { onStorage } from "../storage-failure.ts";
import { forkOf } from "../takeovers.ts";
import { type LedgerFolder, QuarantineLedger } from "./ledger.ts";
import { attemptName, PAGE_EVENTS, QuarantinedDatabase, takeoversIn } from "./quarantined-database.ts";

export const QUARANTINE_FOLDER = "quarantine";
/** A folder is named by the instant at which this node stepped down. */
const NAME = /^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2})(\d{3})Z$/;

export type QuarantineParts = {
  /** Of node.db. */
  readonly node: Connection;
  readonly stateDir: string;
  /** The fleet's database as this node has it, which says where the histories part. */
  readonly fleetPath: string;
  readonly fleet: string;
  readonly self: NodeId;
  readonly command: () => CommandId;
};

export class LibsqlQuarantine implements Quarantine {
  readonly #parts: QuarantineParts;
  readonly #ledger: QuarantineLedger;
  readonly #databases = new Map<string, QuarantinedDatabase>();
  readonly #fleet: LongReader;

  constructor(parts: QuarantineParts) {
    this.#parts = parts;
    this.#ledger = new QuarantineLedger(parts.node);
    this.#fleet = new LongReader(parts.fleetPath);
  }

  discover(): Result<void> {
    const found = onStorage("look for quarantined databases", () => {
      const folder = join(this.#parts.stateDir, QUARANTINE_FOLDER);
      const names = existsSync(folder) ? readdirSync(folder).filter((name) => NAME.test(name)) : [];
      return names.filter((name) => existsSync(this.#path(name)));
    });
    if (!found.ok) return found;
    for (const name of found.value) {
      const added = this.#ledger.add(name, Date.parse(name.replace(NAME, "$1-$2-$3T$4:$5:$6.$7Z")));
      if (!added.ok) return added;
    }
    return ok(undefined);
  }

  folders(): Result<readonly QuarantineFolder[]> {
    const folders = this.#ledger.folders();
    if (!folders.ok) return folders;
    return ok(
      folders.value.map(({ readSeq: _readSeq, ...folder }) => ({ ...folder, bytes: this.#bytes(folder.name) })),
    );
  }

  entries(name: string, after: number, limit: number): Result<readonly QuarantineEntry[]> {
    return this.#ledger.entries(name, after, limit);
  }

  waiting(name: string, after: number, limit: number): Result<readonly QuarantineEntry[]> {
    return this.#ledger.waiting(name, after, limit);
  }

  async readOn(name: string): Promise<Result<boolean>> {
    const folder = this.#ledger.find(name);
    if (!folder.ok) return folder;
    if (folder.value === undefined || folder.value.state !== "reading") return ok(true);
    const begun = folder.value.readSeq === null ? await this.#begin(folder.value) : ok(folder.value.readSeq);
    if (!begun.ok) return begun;
    if (begun.value === undefined) return ok(true);
    const events = await this.#database(name).events(begun.value);
    if (!events.ok) return events;
    const entries = this.#entriesOf(name, events.value);
    if (!entries.ok) return entries;
    const isAll = events.value.length < PAGE_EVENTS;
    const upTo = events.value.at(-1)?.seq ?? begun.value;
    const kept = this.#ledger.append(name, entries.value, { upTo, isAll });
    return kept.ok ? ok(isAll) : kept;
  }

  /** @returns the event after which the database has things of its own; undefined when nothing of it is to be sent. */
  async #begin({ name }: LedgerFolder): Promise<Result<number | undefined>> {
    const facts = await this.#database(name).facts();
    if (!facts.ok) {
      if (facts.error.kind === "retryable") return facts;
      const noted = this.#ledger.setState(name, "unreadable", facts.error.message);
      return noted.ok ? ok(undefined) : noted;
    }
    const { uuid, epoch, takeovers } = facts.value;
    if (uuid !== this.#parts.fleet) {
      const noted = this.#ledger.setState(name, "foreign", `it is of fleet ${uuid}, and this node is in another one`);
      return noted.ok ? ok(undefined) : noted;
    }
    const notes = await this.#fleet.all("read the takeovers", "SELECT name, value FROM meta", []);
    if (!notes.ok) return notes;
    const fork = forkOf(takeovers, takeoversIn(notes.value));
    if (fork === undefined) {
      const message = "this node's database does not show yet who took over";
      return err(retryable("unavailable", message, "Wait until the new hub answers"));
    }
    const begun = this.#ledger.begin(name, epoch, fork);
    return begun.ok ? ok(fork) : begun;
  }

  #entriesOf(
    name: string,
    events: readonly Omit<OwnEvent, "isOwnTask">[],
  ): Result<readonly (NewEntry & { readonly command: CommandId })[]> {
    const { self, command } = this.#parts;
    const tasks = events.flatMap(({ taskId }) => (taskId === null ? [] : [taskId]));
    const earlier = this.#ledger.submitted(name, tasks);
    if (!earlier.ok) return earlier;
    const own = new Set<TaskId | null>(earlier.value);
    return ok(
      events.flatMap((event) => {
        if (event.kind === "task.submitted") own.add(event.taskId);
        const entry = entryOf({ ...event, isOwnTask: own.has(event.taskId) }, self);
        return entry === undefined ? [] : [{ ...entry, command: command() }];
      }),
    );
  }

  async load(name: string, entries: readonly QuarantineEntry[]): Promise<Result<ReadonlyMap<number, Resend>>> {
    const database = this.#database(name);
    const tasksOf = (kind: QuarantineEntry["kind"]): readonly TaskId[] =>
      entries.flatMap((entry) => (entry.kind === kind && entry.taskId !== null ? [entry.taskId] : []));
    const submissions = await database.submissions(tasksOf("submission"));
    if (!submissions.ok) return submissions;
    const completions = await database.completions(tasksOf("completion"));
    if (!completions.ok) return completions;
    return ok(
      new Map(
        entries.flatMap(({ n, taskId, attempt }) => {
          if (taskId === null) return [];
          const found =
            attempt === null ? submissions.value.get(taskId) : completions.value.get(attemptName(taskId, attempt));
          return found === undefined ? [] : [[n, found] as const];
        }),
      ),
    );
  }

  settle(name: string, n: number, outcome: QuarantineOutcome, reason: string | null): Result<void> {
    return this.#ledger.settle(name, n, outcome, reason);
  }

  renew(name: string, n: number, reason: string): Result<void> {
    return this.#ledger.renew(name, n, this.#parts.command(), reason);
  }

  hasWaiting(name: string, tasks: readonly TaskId[]): Result<boolean> {
    if (tasks.length === 0) return ok(false);
    const waiting = this.#ledger.submitted(name, tasks, "waiting");
    return waiting.ok ? ok(waiting.value.size > 0) : waiting;
  }

  async hasEnded(taskId: TaskId, fence: Fence): Promise<Result<boolean>> {
    const folders = this.#ledger.folders();
    if (!folders.ok) return folders;
    for (const { name, state } of folders.value) {
      if (state !== "reading" && state !== "sending") continue;
      const has = await this.#database(name).hasAttempt(taskId, fence);
      // What cannot be read cannot be sent either.
      if (has.ok && has.value) return has;
    }
    return ok(false);
  }

  async setSettled(name: string): Promise<Result<void>> {
    await this.#closed(name);
    return this.#ledger.setState(name, "settled", null);
  }

  async remove(name: string): Promise<Result<boolean>> {
    const known = this.#ledger.find(name);
    if (!known.ok) return known;
    if (known.value === undefined) return ok(false);
    await this.#closed(name);
    // The folder first: what is noted without a folder is taken away by the next try, a folder without a note is found anew.
    await rm(join(this.#parts.stateDir, QUARANTINE_FOLDER, name), { recursive: true, force: true });
    for (;;) {
      const isMore = this.#ledger.remove(name);
      if (!isMore.ok) return isMore;
      if (!isMore.value) return ok(true);
      await Promise.resolve();
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#fleet.close(), ...[...this.#databases.keys()].map((name) => this.#closed(name))]);
  }

  #path(name: string): string {
    return join(this.#parts.stateDir, QUARANTINE_FOLDER, name, FLEET_FILE);
  }

  #database(name: string): QuarantinedDatabase {
    const open = this.#databases.get(name) ?? new QuarantinedDatabase(this.#path(name));
    this.#databases.set(name, open);
    return open;
  }

  async #closed(name: string): Promise<void> {
    const database = this.#databases.get(name);
    this.#databases.delete(name);
    await database?.close();
  }

  /** What the folder takes on the disk: a handful of files. */
  #bytes(name: string): number {
    const sum = onStorage("measure a quarantined database", () => {
      const folder = join(this.#parts.stateDir, QUARANTINE_FOLDER, name);
      if (!existsSync(folder)) return 0;
      return readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .reduce((bytes, entry) => bytes + statSync(join(entry.parentPath, entry.name)).size, 0);
    });
    return sum.ok ? sum.value : 0;
  }
}
