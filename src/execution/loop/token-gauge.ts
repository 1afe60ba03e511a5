/**
 * Estimates what a prompt costs in tokens, and learns from what servers report. Pure.
 *
 * T1: estimates are never below what was learnt: a report above the estimate raises the factor at once, one below it
 *     lowers the factor slowly.
 * T2: a server that leaves cached tokens out of its report teaches nothing; that it does so is learnt once.
 * T3: a server cut the prompt when its report is far below the estimate, or does not grow with the conversation, or
 *     grows far less than it and ends just below a usual context. Where it cut is raised by every larger report.
 */

export type TokenGauge = {
  /** Reported tokens per estimated unit. */
  readonly factor: number;
  /** Whether reports leave out what was cached, so that a low one means nothing. */
  readonly leavesOutCached: boolean;
  /** The context that the server was found to use, when it cut a prompt; null as long as it did not. */
  readonly cutAtTokens: number | null;
  /** The prompt that growth is measured from; null when what is sent now does not continue it. */
  readonly seen: SeenPrompt | null;
};

/** A prompt that was reported whole; `source` says which model on which endpoint did, for others count otherwise. */
export type SeenPrompt = { readonly source: string; readonly units: number; readonly tokens: number };

/** Four characters a token hold for English and code in common vocabularies; a fifth is added until a report is seen. */
const CHARS_PER_UNIT = 4;
const FIRST_FACTOR = 1.2;
/** Beyond these a report cannot be about the same prompt. */
const LEAST_FACTOR = 0.7;
const MOST_FACTOR = 4;
/** Weight of a report below the estimate. */
const EASING = 0.2;
/** Role and separators of one message in common templates. */
export const MESSAGE_UNITS = 6;
/** No server in use loads a model with less context than this, so a shorter prompt is never cut. */
const LEAST_CONTEXT_TOKENS = 2_048;
/** A prompt that was cut still fills half of the smallest context (llama.cpp discards half at a time). */
const LEAST_CUT_TOKENS = 1_000;
/** A report below this part of the estimate needs an explanation. */
const FAR_BELOW = 0.6;
/** Added text below this is not judged: a few lines may be anything. */
const LEAST_GROWTH_UNITS = 400;
/** No text of that length has sixteen characters a token: a report that grows less has lost something. */
const NO_GROWTH_FACTOR = 0.25;
/** Added text that costs less than this part of what the rest costs is sparse, or was cut. */
const SPARSE = 0.6;
/** A prompt that was cut fills the context but for the piece that did not fit any more. */
const NEARLY_FULL = 7 / 8;
/** A report of about what was added, with a third for the template: the rest may have been cached. */
const CACHED_ALL_ELSE = 1.3;

export const NEW_GAUGE: TokenGauge = { factor: FIRST_FACTOR, leavesOutCached: false, cutAtTokens: null, seen: null };

/** @returns units of a text: a quarter of a character each in ASCII, one for every other character. */
export function unitsOf(text: string): number {
  let others = 0;
  for (let index = 0; index < text.length; index += 1) if (text.charCodeAt(index) > 127) others += 1;
  return Math.ceil((text.length - others) / CHARS_PER_UNIT) + others;
}

export function tokensOf(gauge: TokenGauge, units: number): number {
  return Math.ceil(units * gauge.factor);
}

/**
 * Takes in the prompt tokens a server reported (0: it did not say) for a prompt of `units`.
 * @param source which model on which endpoint reported them.
 * @returns with `cut`, when the server cannot have seen the whole prompt: how many tokens were expected and seen.
 */
export function learn(
  gauge: TokenGauge,
  units: number,
  promptTokens: number,
  source: string,
): { readonly gauge: TokenGauge; readonly cut?: { readonly expectedTokens: number; readonly seenTokens: number } } {
  if (promptTokens <= 0 || units <= 0) return { gauge };
  const growth = growthOf(gauge, units, promptTokens, source);
  const expectedTokens = growth?.expectedTokens ?? tokensOf(gauge, units);
  const isFarBelow = promptTokens < tokensOf(gauge, units) * FAR_BELOW;
  // Too short to be cut, or cut more than any server cuts.
  const cannotBeCut = expectedTokens < LEAST_CONTEXT_TOKENS || promptTokens < LEAST_CUT_TOKENS;
  if (!isFarBelow && (growth?.isShort !== true || cannotBeCut || gauge.leavesOutCached)) {
    return { gauge: believed(gauge, units, promptTokens, source) };
  }
  if (gauge.leavesOutCached) return { gauge };
  if (cannotBeCut) return { gauge: { ...gauge, leavesOutCached: true } }; // what is missing was cached (T2)
  if (growth !== null && promptTokens <= growth.addedTokens * CACHED_ALL_ELSE) return { gauge };
  const cut = { expectedTokens, seenTokens: promptTokens };
  return { gauge: { ...gauge, cutAtTokens: promptTokens, seen: null }, cut };
}

function believed(gauge: TokenGauge, units: number, tokens: number, source: string): TokenGauge {
  const { seen, cutAtTokens } = gauge;
  const added = seen?.source === source ? units - seen.units : Number.NaN;
  // Small steps are gathered, or a report that stands still would never be seen to.
  const isStep = added >= 0 && added < LEAST_GROWTH_UNITS;
  return {
    ...gauge,
    factor: nextFactor(gauge, tokens / units),
    cutAtTokens: cutAtTokens === null ? null : Math.max(cutAtTokens, tokens),
    seen: isStep ? seen : { source, units, tokens },
  };
}

type Growth = { readonly expectedTokens: number; readonly addedTokens: number; readonly isShort: boolean };

/** @returns what was to be expected of a longer prompt that begins like the one before, and whether it is not there (T3). */
function growthOf({ seen }: TokenGauge, units: number, promptTokens: number, source: string): Growth | null {
  if (seen === null || seen.source !== source) return null;
  const addedUnits = units - seen.units;
  if (addedUnits < LEAST_GROWTH_UNITS) return null;
  const tokensPerUnit = seen.tokens / seen.units;
  const addedTokens = addedUnits * tokensPerUnit;
  const expectedTokens = Math.ceil(seen.tokens + addedTokens);
  const grown = promptTokens - seen.tokens;
  // Usual contexts are powers of two; this is the least that holds the report.
  const contextTokens = 2 ** Math.ceil(Math.log2(promptTokens));
  const isNearlyFull = promptTokens >= contextTokens * NEARLY_FULL && expectedTokens > contextTokens;
  const isShort = grown < addedUnits * NO_GROWTH_FACTOR || (isNearlyFull && grown < addedTokens * SPARSE);
  return { expectedTokens, addedTokens, isShort };
}

function nextFactor(gauge: TokenGauge, reported: number): number {
  const bounded = Math.min(MOST_FACTOR, Math.max(LEAST_FACTOR, reported));
  return bounded >= gauge.factor ? bounded : gauge.factor + (bounded - gauge.factor) * EASING;
}
