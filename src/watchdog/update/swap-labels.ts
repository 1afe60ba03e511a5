/** Labelled effects of a swap, in the order in which one passes them: a crash test ends the process exactly there. */
export const SWAP_LABELS = [
  "swap:before-stage",
  "swap:after-copy",
  "swap:after-admit",
  "swap:after-journal",
  "swap:before-previous",
  "swap:before-current",
  "swap:after-current",
  "swap:before-floor",
  "swap:before-row",
  "swap:before-forget",
  "swap:after-forget",
  "swap:before-return",
  "swap:after-return",
] as const;
export type SwapLabel = (typeof SWAP_LABELS)[number];

/** Called at each labelled effect; a crash test's hook ends the process there, everybody else's does nothing. */
export type SwapCrashPoint = (label: SwapLabel) => void;
