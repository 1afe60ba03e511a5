import type { Tier } from "#hw";

/** What one tool loop may use. Passing a limit ends the loop with the partial result so far, never with an exception. */
export type LoopLimits = {
  /** Replies of the model until the end, and again after each correction. */
  readonly iterations: number;
  /** Prompt and reply tokens of all replies together, corrections included. */
  readonly tokens: number;
  /** Money for all replies together, in millionths of a dollar; null for no limit of its own. */
  readonly costMicrodollars: number | null;
  /** Time spent asking and calling, in milliseconds; pauses in which no worker lives do not count. */
  readonly wallMs: number;
  /** Calls of one reply that are executed; the others are refused with a note. */
  readonly callsPerReply: number;
  /** Tokens of one reply. */
  readonly replyTokens: number;
  /** Characters of one reply, text and thinking together, before the loop stops listening. */
  readonly replyChars: number;
  /** Times in a row that the same question is asked again after the model or its server failed. */
  readonly retries: number;
};

const EVERY_TIER = {
  costMicrodollars: null,
  wallMs: 30 * 60 * 1_000, // CONTRACT: limits, wall time 30 min
  callsPerReply: 16, // a dozen files read at once is the most that helps
  replyTokens: 4_096, // a file of 300 lines
  replyChars: 256 * 1024, // thinking models think long; a model that repeats one token for ever is not one
  retries: 3,
} as const;

/** The limits of a tier unless the configuration says otherwise: tokens are about iterations times a full 8k or 32k context. */
export const TIER_LIMITS: Readonly<Record<Tier, LoopLimits>> = {
  trivial: { ...EVERY_TIER, iterations: 5, tokens: 60_000 },
  standard: { ...EVERY_TIER, iterations: 10, tokens: 300_000 },
  complex: { ...EVERY_TIER, iterations: 20, tokens: 1_000_000 },
};

/** Models of which calls are counted: a chain is no longer than this. */
export const MAX_COUNTED_MODELS = 20;
/** Paths in the record of what was done; the count goes on beyond. */
export const MAX_RECORDED_FILES = 500;
/** Commands in the record: the latest. */
export const MAX_RECORDED_COMMANDS = 20;
/** The model's last words, in which it may say what it did and what remains, or give what it was asked for: a whole plan. */
export const MAX_LAST_WORDS_CHARS = 64_000;
/** Summaries and descriptions of single calls. */
export const MAX_SUMMARY_CHARS = 200;
/** Replies for which a tool stays withheld. */
export const WITHHELD_ROUNDS = 3;
/** What one observation may take of the context, so that a long log does not push out everything else. */
const OBSERVATION_SHARE = 0.2;
const CHARS_PER_TOKEN = 4;
const LEAST_OBSERVATION_CHARS = 1_000;
const MOST_OBSERVATION_CHARS = 32_000;
/** What a reply may take of the context; the rest is for the prompt. */
export const REPLY_SHARE = 0.25;
/** Pause before asking again, doubled each time. */
export const FIRST_PAUSE_MS = 1_000;
export const MAX_PAUSE_MS = 60_000;
/** How long an aborted model or tool has to come back before the loop goes on without it. */
export const ABORT_GRACE_MS = 10_000;

/** @returns the characters of one observation that a context of so many tokens has room for. */
export function observationChars(contextTokens: number): number {
  const chars = Math.floor(contextTokens * OBSERVATION_SHARE * CHARS_PER_TOKEN);
  return Math.min(MOST_OBSERVATION_CHARS, Math.max(LEAST_OBSERVATION_CHARS, chars));
}
