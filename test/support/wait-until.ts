import { Patience } from "./patience.ts";

/** How often a condition of another process is looked at; nothing announces it. */
const POLL_MS = 10;
const DEFAULT_LIMIT_MS = 15_000;

/** Resolves with the first value of `look` that is neither undefined nor false; throws when none comes in time. */
export async function waitUntil<T>(
  what: string,
  look: () => T | undefined | false,
  limitMs = DEFAULT_LIMIT_MS,
): Promise<T> {
  const patience = new Patience(limitMs);
  for (;;) {
    const value = look();
    if (value !== undefined && value !== false) return value;
    if (patience.isOver()) throw new Error(`waited ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
