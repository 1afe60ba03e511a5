import type { SqlRow, SqlValue } from "./connection.ts";

/** What the reader thread is asked; every request is answered once, under its number. */
export type ReaderRequest =
  | { readonly kind: "all"; readonly path: string; readonly sql: string; readonly params: readonly SqlValue[] }
  /** Writes a consistent copy of a database while it is in use. `to` must not exist. */
  | { readonly kind: "copy"; readonly path: string; readonly to: string }
  /** Reads a whole file and says what is wrong with it. */
  | { readonly kind: "inspect"; readonly path: string }
  /** The thread ends itself; it is the last request and gets no answer. */
  | { readonly kind: "end" };

export type ReaderReply =
  | { readonly kind: "rows"; readonly rows: readonly SqlRow[] }
  | { readonly kind: "copied" }
  | { readonly kind: "inspected"; readonly inspection: Inspection };

/** What a database file holds. */
export type Inspection = {
  /** Faults that the integrity check found; empty when it is sound. */
  readonly faults: readonly string[];
  readonly schema: number;
  readonly uuid: string | null;
  readonly tasks: number;
  readonly lastEventSeq: number;
};

export type ReaderCall = { readonly id: number; readonly request: ReaderRequest };
export type ReaderAnswer =
  | { readonly id: number; readonly reply: ReaderReply }
  | { readonly id: number; readonly fault: { readonly message: string; readonly code: string } };
