/**
 * Expected failures, tagged by what the caller must do about them, never by where they arose.
 *
 * - `retryable`: the same call may succeed later (disk full, connection lost).
 * - `terminal`: the same call can never succeed (command does not exist).
 * - `cancelled`: somebody asked for it to stop.
 * - `leaseLost`: the caller no longer holds the right to act; drop the work, apply nothing.
 * - `refused`: the request is wrong; `code` says how, `remedy` says what to do.
 */
export type FailureKind = "retryable" | "terminal" | "cancelled" | "leaseLost" | "refused";

/** Why a request was refused or failed; each maps to exactly one HTTP status in the api room. */
export type FailureCode =
  | "invalid"
  | "not_found"
  | "conflict"
  | "too_large"
  | "limit"
  | "unsupported"
  | "stale_fence"
  | "cancelled"
  | "disk_full"
  | "read_only"
  | "corrupt"
  | "newer_schema"
  | "in_use"
  | "timed_out"
  | "unavailable"
  | "lost"
  /** Done and durable on the hub, but not known to be on as many other nodes as store.replicas asks for. */
  | "not_replicated"
  /** Nothing was changed, because too few other nodes follow the hub. */
  | "too_few_replicas"
  | "internal";

/** One fault in one field; `path` is dotted (`verify.0.path`). */
export type FieldFault = { readonly path: string; readonly reason: string };

export type Failure = {
  readonly kind: FailureKind;
  readonly code: FailureCode;
  /** What happened, with context as verb phrases: `claim task t_…: disk full`. */
  readonly message: string;
  /** What a person can do about it. */
  readonly remedy?: string;
  readonly faults?: readonly FieldFault[];
};

/** @returns a failure of kind `refused`. */
export function refused(code: FailureCode, message: string, remedy?: string, faults?: readonly FieldFault[]): Failure {
  return {
    kind: "refused",
    code,
    message,
    ...(remedy === undefined ? {} : { remedy }),
    ...(faults === undefined ? {} : { faults }),
  };
}

export function retryable(code: FailureCode, message: string, remedy?: string): Failure {
  return { kind: "retryable", code, message, ...(remedy === undefined ? {} : { remedy }) };
}

export function terminal(code: FailureCode, message: string, remedy?: string): Failure {
  return { kind: "terminal", code, message, ...(remedy === undefined ? {} : { remedy }) };
}

/** Adds what was being attempted in front of the message: `during(f, "open store")` → `open store: …`. */
export function during(failure: Failure, action: string): Failure {
  return { ...failure, message: `${action}: ${failure.message}` };
}

/** @returns one line for a person: the message, then the remedy. */
export function describeFailure(failure: Failure): string {
  return failure.remedy === undefined ? failure.message : `${failure.message}. ${failure.remedy}`;
}
