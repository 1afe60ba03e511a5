/** What the machine prints before the number of its faults. */
export const VERDICT = "arm64 faults:";
