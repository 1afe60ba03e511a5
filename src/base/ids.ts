import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type TaskId = Branded<"TaskId">;
export type NodeId = Branded<"NodeId">;
export type ScheduleId = Branded<"ScheduleId">;
/** Names one command of one node of a fleet, however often it is sent. */
export type CommandId = Branded<"CommandId">;
export type GoalId = Branded<"GoalId">;

/** Crockford's base 32, lower case: no i, l, o, u, and byte order equals value order, so ids sort by age. */
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
const ID_DIGITS = 26;
const PATTERN = /^[a-z]{1,3}_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

export type IdFactory = {
  readonly task: () => TaskId;
  readonly node: () => NodeId;
  readonly schedule: () => ScheduleId;
  readonly command: () => CommandId;
  readonly goal: () => GoalId;
};

/**
 * Makes ids that are a UUIDv7 (RFC 9562, section 5.7) written in base 32 behind a prefix: `t_06…`. Ids of one
 * factory rise strictly: within a millisecond, and when the wall clock steps back, a 74-bit random tail is counted on.
 */
export function createIdFactory(clock: Clock, random: Random): IdFactory {
  let lastMs = -1;
  let high = 0; // 12 bits, rand_a
  let low = 0; // 30 bits, the top of rand_b; the rest of rand_b is fresh each time
  const next = (): string => {
    const nowMs = clock.nowMs();
    if (nowMs > lastMs) {
      lastMs = nowMs;
      high = Math.floor(random.next() * 2048); // top bit clear: room to count up
      low = Math.floor(random.next() * 0x4000_0000);
    } else {
      low += 1 + Math.floor(random.next() * 255);
      if (low >= 0x4000_0000) {
        low -= 0x4000_0000;
        high += 1;
        if (high > 4095) {
          high = 0;
          lastMs += 1;
        }
      }
    }
    return encode(lastMs, high, low, Math.floor(random.next() * 0x1_0000_0000));
  };
  // `as`: this is the one constructor of each brand.
  return {
    task: () => `t_${next()}` as TaskId,
    node: () => `n_${next()}` as NodeId,
    schedule: () => `s_${next()}` as ScheduleId,
    command: () => `c_${next()}` as CommandId,
    goal: () => `g_${next()}` as GoalId,
  };
}

/** 128 bits = 48 time, 4 version, 12 high, 2 variant, 30 low, 32 tail, written as 26 digits of 5 bits, the first of 3. */
function encode(timeMs: number, high: number, low: number, tail: number): string {
  const words = [
    Math.floor(timeMs / 0x1_0000),
    ((timeMs % 0x1_0000) * 0x1_0000 + 0x7000 + high) >>> 0,
    (0x8000_0000 + low) >>> 0,
    tail >>> 0,
  ];
  let text = "";
  let buffer = 0;
  let bits = 2; // two zero bits in front: 130 = 26 × 5
  for (const word of words) {
    for (let shift = 24; shift >= 0; shift -= 8) {
      buffer = (buffer << 8) | ((word >>> shift) & 0xff);
      bits += 8;
      while (bits >= 5) {
        bits -= 5;
        text += ALPHABET.charAt((buffer >>> bits) & 31);
      }
      buffer &= (1 << bits) - 1;
    }
  }
  return text.slice(0, ID_DIGITS);
}

/** @returns the id, or undefined when the text is not an id with prefix `t`. */
export function parseTaskId(text: string): TaskId | undefined {
  return PATTERN.test(text) && text.startsWith("t_") ? (text as TaskId) : undefined; // `as`: checked just before
}

export function parseScheduleId(text: string): ScheduleId | undefined {
  return PATTERN.test(text) && text.startsWith("s_") ? (text as ScheduleId) : undefined; // `as`: checked just before
}

export function parseNodeId(text: string): NodeId | undefined {
  return PATTERN.test(text) && text.startsWith("n_") ? (text as NodeId) : undefined; // `as`: checked just before
}

export function parseGoalId(text: string): GoalId | undefined {
  return PATTERN.test(text) && text.startsWith("g_") ? (text as GoalId) : undefined; // `as`: checked just before
}
