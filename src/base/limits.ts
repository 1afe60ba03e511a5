/**
 * Limits that several rooms share, each with its unit and its reason. A limit that only one room knows stands in
 * that room. Passing a limit always has a defined result: a refusal that names it.
 */

/** One submission as JSON. Prompts with whole files in them fit; a stray upload does not. */
export const MAX_SUBMISSION_BYTES = 256 * 1024;
/** One HTTP body. A full batch of small submissions fits; memory per request stays bounded. */
export const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
/**
 * Commands of a node in one HTTP body. A submission of the greatest size is one command, in which each quote and backslash of
 * it takes twice its place, beside some hundred bytes for each of its tasks: what one node accepted another must take.
 */
export const MAX_COMMANDS_BYTES = 4 * MAX_REQUEST_BYTES;
/** One file of a release that is sent to a node; executables are some 110 MB, a third of that packed. */
export const MAX_UPLOAD_BYTES = 512 * 1024 * 1024;
/** Tasks in one batch: one batch is one transaction, and one transaction must stay far below a second. */
export const MAX_BATCH_TASKS = 1_000;
/** Direct dependencies of one task. */
export const MAX_DEPENDENCIES = 100;
/** Tasks that depend directly on one task: they are all moved in the transaction that ends it. */
export const MAX_DEPENDENTS = 10_000;
/** Labels on one task, and the bytes of one name or value. */
export const MAX_LABELS = 32;
export const MAX_LABEL_CHARS = 128;
/** Attempts of one task: with the longest backoff this is already days. */
export const MAX_ATTEMPTS = 100;
/** Default of the first delay between attempts. */
export const RETRY_BASE_MS = 1_000;
/** Default of the longest delay between attempts: a node that was repaired is used again within five minutes. */
export const RETRY_MAX_MS = 300_000;
/** Tasks in the queue that have not ended; at ~1 KiB a task this is a gigabyte of disk. */
export const MAX_OPEN_TASKS = 1_000_000;
/** The result a worker may hand back, in JSON bytes; logs stay on disk and are not part of it. */
export const MAX_RESULT_BYTES = 256 * 1024;
/** Rows on one page of a listing. */
export const MAX_PAGE_ROWS = 500;
