import type { Result } from "#base";
import { type ElectionNote, type ElectionStore, EMPTY_NOTE } from "#fleet";
import type { Connection } from "./connection.ts";
import { readMeta, writeMeta } from "./meta.ts";
import { onStorage } from "./storage-failure.ts";

/** In the notes of node.db. A copy of the state folder must not have it: its original may still vote. */
export const ELECTION = "election";

/** What this node has promised to the others of its fleet. Synchronous, each write one flush. */
export class LibsqlElectionStore implements ElectionStore {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  read(): Result<ElectionNote> {
    return onStorage("read what was promised in elections", () => {
      const noted = readMeta(this.#connection, ELECTION);
      return noted === undefined ? EMPTY_NOTE : (JSON.parse(noted) as ElectionNote); // `as`: written below
    });
  }

  write(note: ElectionNote): Result<void> {
    return onStorage("note what was promised in an election", () =>
      writeMeta(this.#connection, ELECTION, JSON.stringify(note)),
    );
  }
}
