/** Reads a part of an attempt wherever it lies: here, as a blob of the hub, or on the node that ran it. */
import { describeFailure, err, type Logger, type NodeId, ok, type Result, retryable, type TaskId } from "#base";
import type { TaskRecord } from "#queue";
import type { BlobStore } from "../blobs/blob-store.ts";
import type { AttemptBlobs } from "./attempt-blobs.ts";
import type { FetchedKey, FetchedParts } from "./io/fetched-parts.ts";
import { hasEndedAttempt, type OwnParts, type PartBlob, type PartKey, type PartSlice, runnerOf } from "./part.ts";
import type { PartRead, PartRelay } from "./part-relay.ts";
import { MAX_READ_WAIT_MS, MAX_SLICE_BYTES, type PartReadAnswer, type PartReadCall } from "./part-wire.ts";

/** The hub, for a node that is not. */
export interface PartLink {
  read(call: PartReadCall): Promise<Result<PartReadAnswer>>;
  /** Brings a blob of the hub into the store of this node. @returns false when the hub does not have it. */
  bring(blob: PartBlob): Promise<Result<boolean>>;
}

export type PartReaderOptions = {
  readonly node: NodeId;
  readonly find: (id: TaskId) => Promise<Result<TaskRecord | undefined>>;
  readonly own: OwnParts;
  readonly fetched: FetchedParts;
  readonly store: BlobStore;
  readonly blobs: AttemptBlobs;
  readonly logger: Logger;
  /** A node, for people: its name, and where it is reached. */
  readonly nameOf: (node: NodeId) => string;
  /** Where the rest lies, now: nowhere for a node that is alone. */
  readonly elsewhere: () => Elsewhere | undefined;
};

export type Elsewhere =
  | { readonly kind: "relay"; readonly relay: PartRelay }
  | { readonly kind: "hub"; readonly link: PartLink };

/** Where a part may be found, as the queue knows it. */
type Whereabouts = { readonly key: FetchedKey; readonly isOwn: boolean; readonly isEnded: boolean };

export class PartReader {
  readonly #options: PartReaderOptions;

  constructor(options: PartReaderOptions) {
    this.#options = options;
  }

  /**
   * @returns at most `maxBytes` from `offset` on; a part that may still grow and has nothing there is waited for up to a
   * second. Undefined when there is no such part, yet or at all. `unavailable` (retryable) names the node that has it and
   * does not answer.
   */
  async read(key: PartKey, offset: number, maxBytes: number): Promise<Result<PartSlice | undefined>> {
    const where = await this.#where(key);
    if (!where.ok) return where;
    const read = { offset, maxBytes, waitMs: MAX_READ_WAIT_MS, isEnded: where.value?.isEnded ?? true };
    if (where.value === undefined || where.value.isOwn) {
      const own = await this.#options.own.read(key, offset, maxBytes);
      if (!own.ok) return own;
      if (own.value !== undefined) return ok({ ...own.value, isWhole: read.isEnded });
    }
    if (where.value === undefined || (where.value.isOwn && !read.isEnded)) return ok(undefined);
    return this.#fromElsewhere(where.value, read);
  }

  /** A node asks this hub. What is a blob here it fetches as one. */
  async serve(call: PartReadCall): Promise<Result<PartReadAnswer>> {
    const blob = this.#options.blobs.find(call);
    if (!blob.ok) return blob;
    const state = blob.value && (await this.#options.store.state(blob.value.hash));
    if (blob.value !== undefined && state?.ok === true && state.value.kind === "whole") {
      const { node, hash, bytes, rawBytes, encoding } = blob.value;
      return ok({ kind: "blob", node, hash, bytes, rawBytes, encoding });
    }
    const found = await this.read(call, call.offset, Math.min(call.maxBytes, MAX_SLICE_BYTES));
    if (!found.ok) return found;
    if (found.value === undefined) return ok({ kind: "none" });
    const { bytes, sizeBytes, isWhole } = found.value;
    return ok({ kind: "bytes", bytes: Buffer.from(bytes).toString("base64"), sizeBytes, isWhole });
  }

  async #where(key: PartKey): Promise<Result<Whereabouts | undefined>> {
    const record = await this.#options.find(key.taskId);
    if (!record.ok) return record;
    const node = record.value === undefined ? null : runnerOf(record.value, key.attempt);
    if (record.value === undefined || node === null) return ok(undefined);
    const { taskId, attempt, part } = key;
    const isEnded = hasEndedAttempt(record.value, attempt);
    // Alone, also what it ran under an earlier name.
    const isOwn = node === this.#options.node || this.#options.elsewhere() === undefined;
    return ok({ key: { taskId, attempt, part, node }, isOwn, isEnded });
  }

  async #fromElsewhere({ key, isOwn, isEnded }: Whereabouts, read: PartRead): Promise<Result<PartSlice | undefined>> {
    const { fetched } = this.#options;
    const elsewhere = this.#options.elsewhere();
    if (isEnded) {
      const here = await fetched.read(key, read.offset, read.maxBytes);
      if (!here.ok) return here;
      if (here.value !== undefined) return ok({ ...here.value, isWhole: true });
    }
    if (elsewhere === undefined) return ok(undefined);
    const found =
      elsewhere.kind === "hub"
        ? await this.#fromHub(elsewhere.link, key, read)
        : await this.#onHub(elsewhere.relay, { key, isOwn, isEnded }, read);
    return found.ok || found.error.kind !== "retryable" ? found : err(this.#away(key, found.error));
  }

  async #onHub(
    relay: PartRelay,
    { key, isOwn, isEnded }: Whereabouts,
    read: PartRead,
  ): Promise<Result<PartSlice | undefined>> {
    const blob = isEnded ? this.#options.blobs.find(key) : ok(undefined);
    if (!blob.ok) return blob;
    if (blob.value !== undefined) {
      const unpacked = await this.#unpacked(blob.value, read);
      if (unpacked !== undefined) return unpacked;
    } else if (isEnded && key.part === "steps") {
      // Steps are sent before the output they belong to: without them there were none.
      const output = this.#options.blobs.find({ ...key, part: "output" });
      if (!output.ok || output.value !== undefined) return output.ok ? ok(undefined) : output;
    }
    return isOwn ? ok(undefined) : relay.read(key, read);
  }

  async #fromHub(link: PartLink, key: FetchedKey, read: PartRead): Promise<Result<PartSlice | undefined>> {
    const { offset, waitMs } = read;
    const maxBytes = Math.min(read.maxBytes, MAX_SLICE_BYTES);
    const { taskId, attempt, part } = key;
    const answer = await link.read({ taskId, attempt, part, offset, maxBytes, waitMs });
    if (!answer.ok) return answer;
    switch (answer.value.kind) {
      case "none":
        return ok(undefined);
      case "bytes": {
        const { bytes, sizeBytes, isWhole } = answer.value;
        return ok({ bytes: Buffer.from(bytes, "base64"), sizeBytes, isWhole });
      }
      case "blob": {
        const { node, hash, bytes, rawBytes, encoding } = answer.value;
        const blob: PartBlob = { taskId, attempt, part, node, hash, bytes, rawBytes, encoding };
        const fetched = await link.bring(blob);
        if (!fetched.ok) return fetched;
        return (await this.#unpacked(blob, read)) ?? ok(undefined);
      }
    }
  }

  /** @returns undefined when the blob is not to be had here, and the node that ran the attempt is to be asked. */
  async #unpacked(blob: PartBlob, { offset, maxBytes }: PartRead): Promise<Result<PartSlice | undefined> | undefined> {
    const { fetched, store, blobs, logger } = this.#options;
    const here = await fetched.read(blob, offset, maxBytes);
    if (!here.ok) return here;
    if (here.value !== undefined) return ok({ ...here.value, isWhole: true });
    const unpacked = await fetched.unpack(blob, store);
    if (!unpacked.ok && unpacked.error.code !== "corrupt") return unpacked;
    if (!unpacked.ok || !unpacked.value) {
      const why = unpacked.ok ? "it is not there" : describeFailure(unpacked.error);
      logger.warn("a blob of an attempt is lost; its node is asked", { task: blob.taskId, part: blob.part, why });
      const dropped = blobs.drop(blob);
      return dropped.ok ? undefined : dropped;
    }
    const read = await fetched.read(blob, offset, maxBytes);
    if (!read.ok) return read;
    return ok(read.value === undefined ? undefined : { ...read.value, isWhole: true });
  }

  #away({ taskId, attempt, part, node }: FetchedKey, failure: { readonly message: string }) {
    const name = this.#options.nameOf(node);
    const message = `the ${part} of attempt ${attempt} of task ${taskId} lies on the node ${name}: ${failure.message}`;
    return retryable("unavailable", message, "Start that node, or wait until it answers again");
  }
}
