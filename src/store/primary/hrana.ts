/**
 * What a hub says to its libSQL server: Hrana over HTTP, version 2
 * (github.com/tursodatabase/libsql, docs/HTTP_V2_SPEC.md and docs/HRANA_2_SPEC.md). Pure.
 */
import type { SqlRow, SqlValue } from "../connection.ts";

/** The part of a recorded statement that travels. */
export type ServerStatement = { readonly sql: string; readonly args: readonly SqlValue[] };

/** What the server made of a batch. Only `committed` and `refused` are certain. */
export type BatchAnswer =
  /** Rows changed by each statement. */
  | { readonly kind: "committed"; readonly changes: readonly number[] }
  /** A statement failed, and nothing of the batch took effect. */
  | { readonly kind: "refused"; readonly statement: number; readonly cause: Error }
  /** No answer, or none that tells: the batch may have taken effect, or may still. */
  | { readonly kind: "unknown"; readonly cause: Error };

/** What the server said went wrong, with its own code, which is SQLite's for faults of the database. */
export class ServerError extends Error {
  override readonly name = "ServerError";
  readonly code: string;

  constructor({ message, code = "UNKNOWN" }: Fault) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

type Fault = { readonly message: string; readonly code?: string | undefined };
type Value = { readonly type: string; readonly value?: unknown };
export type PipelineAnswer = {
  /** Names the stream for the next request; absent when it was closed. */
  readonly baton?: string | null;
  /** Where the stream lives, when not where the request went. */
  readonly base_url?: string | null;
  readonly results: readonly {
    readonly error?: Fault;
    readonly response?: { readonly result?: unknown };
  }[];
};

/** One transaction: all of it or nothing, whatever fails. */
export function batchRequest(statements: readonly ServerStatement[]): unknown {
  const last = statements.length + 1;
  return {
    type: "batch",
    batch: {
      steps: [
        { stmt: { sql: "BEGIN IMMEDIATE", want_rows: false } },
        ...statements.map((statement, index) => ({ condition: succeeded(index), stmt: written(statement, false) })),
        { condition: succeeded(last - 1), stmt: { sql: "COMMIT", want_rows: false } },
        { condition: { type: "not", cond: succeeded(last) }, stmt: { sql: "ROLLBACK", want_rows: false } },
      ],
    },
  };
}

export function rowsRequest(statement: ServerStatement): unknown {
  return { type: "execute", stmt: written(statement, true) };
}

export const CLOSE_REQUEST = { type: "close" };

const succeeded = (step: number): unknown => ({ type: "ok", step });

function written({ sql, args }: ServerStatement, isAsked: boolean): unknown {
  return { sql, args: args.map(writtenValue), want_rows: isAsked };
}

/** A number travels as it is bound to the working copy, too: as a float, which a column of integers makes one. */
function writtenValue(value: SqlValue): Value {
  if (value === null) return { type: "null" };
  return typeof value === "string" ? { type: "text", value } : { type: "float", value };
}

/** Throws what the server says of the request as a whole. */
function resultOf({ results: [first] }: PipelineAnswer): unknown {
  if (first?.error !== undefined) throw new ServerError(first.error);
  if (first?.response?.result === undefined) throw new Error("the server's answer has no result");
  return first.response.result;
}

/** @param count of the statements that were sent */
export function readBatch(answer: PipelineAnswer, count: number): BatchAnswer {
  // `as`: the answer to a batch, by the protocol.
  const { step_results: done, step_errors: faults } = resultOf(answer) as {
    readonly step_results: readonly ({ readonly affected_row_count: number } | null)[];
    readonly step_errors: readonly (Fault | null)[];
  };
  const step = faults.findIndex((fault) => fault !== null);
  const fault = faults[step];
  if (fault !== undefined && fault !== null) {
    const cause = new ServerError(fault);
    // Of BEGIN and COMMIT it is not certain what became of them.
    const isStatement = step > 0 && step <= count;
    return isStatement && CERTAIN.test(cause.code)
      ? { kind: "refused", statement: step - 1, cause }
      : { kind: "unknown", cause };
  }
  const changes = done.slice(1, count + 1).flatMap((result) => result?.affected_row_count ?? []);
  const isCommitted = done[count + 1] !== null && done[count + 1] !== undefined;
  return isCommitted && changes.length === count
    ? { kind: "committed", changes }
    : { kind: "unknown", cause: new Error("the server left out a part of the batch") };
}

/** What the database itself says of a statement. Not SQLITE_BUSY and its like, which pass. */
const CERTAIN = /^SQLITE_(?!BUSY|LOCKED)/;

/** Rows by position. */
export function readRows(answer: PipelineAnswer): readonly SqlRow[] {
  // `as`: the answer to a statement, by the protocol.
  const { rows } = resultOf(answer) as { readonly rows: readonly (readonly Value[])[] };
  return rows.map((row) => row.map(readValue));
}

/** No column of ours holds a blob. */
function readValue({ type, value }: Value): SqlValue {
  switch (type) {
    case "null":
      return null;
    case "integer":
    case "float":
      return Number(value);
    case "text":
      return String(value);
    default:
      throw new Error(`the server answered a value of type ${type}`);
  }
}

/** @returns what an answer with a status of failure says. */
export function readFault(status: number, said: string): Error {
  try {
    // `as`: looked at before it is believed.
    const { message, code } = JSON.parse(said) as { readonly message?: unknown; readonly code?: unknown };
    if (typeof message === "string" && typeof code === "string") return new ServerError({ message, code });
  } catch {
    // Text: what a proxy says, or sqld of a request that it does not understand.
  }
  return new Error(`the server answered ${status}: ${said.trim().slice(0, MAX_SAID)}`);
}

/** Characters; a proxy answers whole pages. */
const MAX_SAID = 300;
