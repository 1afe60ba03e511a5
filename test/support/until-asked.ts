import { Patience } from "./patience.ts";

/** How often another process is asked; nothing announces what it says. */
const ASK_EVERY_MS = 50;
const DEFAULT_LIMIT_MS = 20_000;

/** Resolves with the first answer that is neither undefined nor false; throws when none comes in time. */
export async function untilAsked<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  limitMs = DEFAULT_LIMIT_MS,
): Promise<T> {
  const patience = new Patience(limitMs);
  for (;;) {
    const value = await ask();
    if (value !== undefined && value !== false) return value;
    if (patience.isOver()) throw new Error(`asked for ${limitMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
  }
}
