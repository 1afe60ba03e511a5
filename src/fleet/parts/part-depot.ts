/** The parts of attempts that a hub keeps for its fleet: who may send what, and how much at once. */
import { type Clock, err, type Logger, type NodeId, ok, type Result, refused, retryable, type TaskId } from "#base";
import type { TaskRecord } from "#queue";
import type { BlobHash, BlobPart, BlobPiece, BlobState, BlobStore } from "../blobs/blob-store.ts";
import type { AttemptBlobs } from "./attempt-blobs.ts";
import { type PartBlob, type PartKey, runnerOf } from "./part.ts";

export type PartDepotOptions = {
  readonly store: BlobStore;
  readonly blobs: AttemptBlobs;
  readonly find: (id: TaskId) => Promise<Result<TaskRecord | undefined>>;
  /** Whether a node was the hub: all nodes had sent their parts to it. */
  readonly hasLed: (node: NodeId) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
};

/** Pieces that are written at once: each is a megabyte in memory, and one disk does not take more at a time. */
const MAX_PIECES = 16;

export class PartDepot {
  readonly #options: PartDepotOptions;
  #pieces = 0;

  constructor(options: PartDepotOptions) {
    this.#options = options;
  }

  /**
   * Takes a piece of a part from the node that ran the attempt; or of one that is lacking here, from a node that was the hub.
   * @returns how far its blob is. `not_found`: the task is
   * gone; `conflict`: another node ran the attempt, or the hash is another one; `unavailable`: it is not known yet.
   */
  async put(blob: PartBlob, piece: BlobPiece, sender: NodeId = blob.node): Promise<Result<BlobState>> {
    if (this.#pieces >= MAX_PIECES) {
      return err(retryable("limit", `${MAX_PIECES} nodes send parts of attempts already`, "Send it again later"));
    }
    this.#pieces += 1;
    try {
      const may = await this.#maySend(blob.node, blob);
      const lacking = sender === blob.node || !may.ok ? may : this.#mayOffer(sender, blob);
      if (!lacking.ok) return lacking;
      const state = await this.#options.store.append(blob.hash, piece);
      if (!state.ok || state.value.kind !== "whole") return state;
      const noted = this.#options.blobs.put(blob, this.#options.clock.nowMs());
      return noted.ok ? state : noted;
    } finally {
      this.#pieces -= 1;
    }
  }

  state(hash: BlobHash): Promise<Result<BlobState>> {
    return this.#options.store.state(hash);
  }

  async read(hash: BlobHash, offset: number, maxBytes: number): Promise<Result<BlobPart>> {
    const part = await this.#options.store.read(hash, offset, maxBytes);
    if (!part.ok) {
      this.#options.logger.error("a blob is damaged", { hash, why: part.error.message });
      return part;
    }
    if (part.value !== undefined) return ok(part.value);
    return err(refused("not_found", `there is no blob ${hash} here`));
  }

  #mayOffer(sender: NodeId, blob: PartBlob): Result<void> {
    if (!this.#options.hasLed(sender))
      return err(refused("conflict", "another node ran the attempt, and has to send it"));
    const here = this.#options.blobs.find(blob);
    if (!here.ok) return here;
    if (here.value === undefined || here.value.hash === blob.hash) return ok(undefined);
    return err(refused("conflict", "it is here in another form"));
  }

  async #maySend(node: NodeId, { taskId, attempt }: PartKey): Promise<Result<void>> {
    const record = await this.#options.find(taskId);
    if (!record.ok) return record;
    if (record.value === undefined) return err(refused("not_found", `there is no task ${taskId}`));
    const runner = runnerOf(record.value, attempt);
    if (runner === node) return ok(undefined);
    const name = `attempt ${attempt} of task ${taskId}`;
    if (runner !== null) return err(refused("conflict", `${name} is another node's`));
    // Its report may come later than its log.
    const isToCome = attempt > record.value.row.attempts;
    return err(
      isToCome
        ? retryable("unavailable", `${name} is not known to have run`)
        : refused("conflict", `${name} ran nowhere`),
    );
  }
}
