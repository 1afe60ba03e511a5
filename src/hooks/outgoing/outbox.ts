import type { Result } from "#base";
import type { Notice } from "./notice.ts";
import type { WaitingNotice } from "./policy.ts";

/** What becomes of a notice at one channel. */
export type KeptNotice = WaitingNotice & {
  readonly channel: string;
  /** `left`: not sent, for the reason in `error`. */
  readonly state: "waiting" | "sent" | "failed" | "left";
  readonly error: string | null;
  readonly endedAtMs: number | null;
  /** Id of the message that it went with. */
  readonly sentAs: string | null;
};

export type ChannelCounts = {
  readonly waiting: number;
  readonly sent: number;
  readonly failed: number;
  readonly left: number;
  /** Of the newest that ended otherwise than sent, or that waits for another try. */
  readonly lastError: string | null;
  readonly lastSentAtMs: number | null;
};

export type NoticeQuery = {
  readonly channel: string | undefined;
  readonly before: number | undefined;
  readonly limit: number;
};

/** Notices that wait at one channel; when there are more, the oldest that are not critical are left out. */
export const MAX_WAITING = 1_000;
/** Notices kept after their end, of all channels. */
export const MAX_HISTORY = 5_000;

/** In node.db; each call is one transaction. */
export interface NoticeOutbox {
  /** Keeps it for each of the channels that has none under its key. */
  put(channels: readonly string[], notice: Notice): Result<void>;
  /** The oldest first. */
  waiting(channel: string, limit: number): Result<readonly WaitingNotice[]>;
  /** When messages went out since, the oldest first. */
  sentSince(channel: string, sinceMs: number): Result<readonly number[]>;
  settle(
    ns: readonly number[],
    end: {
      readonly state: "sent" | "failed" | "left";
      readonly error: string | null;
      readonly sentAs: string;
      readonly atMs: number;
    },
  ): Result<void>;
  /** They wait for another try. */
  postpone(ns: readonly number[], error: string, nextAtMs: number): Result<void>;
  /** What waits at channels that are not configured any more is left. */
  leaveOthers(channels: readonly string[], nowMs: number): Result<void>;
  counts(channel: string): Result<ChannelCounts>;
  /** The newest first. */
  list(query: NoticeQuery): Result<readonly KeptNotice[]>;
  /** Up to where events of this name were told; undefined: none ever. */
  position(name: string): Result<number | undefined>;
  setPosition(name: string, seq: number): Result<void>;
}
