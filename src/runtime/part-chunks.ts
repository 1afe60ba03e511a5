/** Parts of attempts as the API shows them. */
import type { LogChunk, WholeResult } from "#api";
import { type Failure, MAX_RESULT_BYTES, ok, type Result, retryable } from "#base";
import type { PartKey, PartReader } from "#fleet";

/** A report and its result, with what JSON around them takes. */
const MAX_WHOLE_BYTES = 2 * MAX_RESULT_BYTES;
/** Each waits a second for what comes. */
const MAX_EMPTY_READS = 3;

/** What may still come of an attempt that has ended lies on another node. */
export async function chunkOf(read: ReturnType<PartReader["read"]>): Promise<Result<LogChunk | undefined>> {
  const slice = await read;
  if (!slice.ok || slice.value === undefined) return slice.ok ? ok(undefined) : slice;
  const { bytes, sizeBytes, isWhole } = slice.value;
  return ok({ bytes, sizeBytes, isArriving: !isWhole });
}

/** @returns undefined when it is nowhere. */
export async function wholeResult(
  reader: Pick<PartReader, "read">,
  key: PartKey,
): Promise<Result<WholeResult | undefined>> {
  const parts: Uint8Array[] = [];
  let [offset, empty] = [0, 0];
  for (;;) {
    const slice = await reader.read(key, offset, MAX_WHOLE_BYTES);
    if (!slice.ok) return slice;
    if (slice.value === undefined) return ok(undefined);
    const { bytes, sizeBytes, isWhole } = slice.value;
    parts.push(bytes);
    offset += bytes.byteLength;
    if (isWhole && offset >= sizeBytes) return ok(parsed(Buffer.concat(parts)));
    empty = bytes.byteLength === 0 ? empty + 1 : 0;
    if (empty >= MAX_EMPTY_READS || offset > MAX_WHOLE_BYTES) return { ok: false, error: arriving(key) };
  }
}

function arriving({ taskId, attempt }: PartKey): Failure {
  return retryable("unavailable", `the result of attempt ${attempt} of task ${taskId} has not come whole`, "Try again");
}

function parsed(bytes: Uint8Array): WholeResult {
  // `as`: written by a node of the fleet, and its hash was checked.
  return JSON.parse(new TextDecoder().decode(bytes)) as WholeResult;
}
