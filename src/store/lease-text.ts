import type { Result } from "#base";
import type { DurableText } from "#fleet";
import type { Connection } from "./connection.ts";
import { readMeta, writeMeta } from "./meta.ts";
import { onStorage } from "./storage-failure.ts";

/** In the notes of node.db. A copy of the state folder must not have it: its original may still run. */
export const LEASES = "leases";

/** Until when this node may use what it holds of its hub. Synchronous, each write one flush. */
export class LibsqlLeaseText implements DurableText {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  read(): Result<string | undefined> {
    return onStorage("read the leases that were noted", () => readMeta(this.#connection, LEASES));
  }

  write(text: string): Result<void> {
    return onStorage("note what this node holds", () => writeMeta(this.#connection, LEASES, text));
  }
}
