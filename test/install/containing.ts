import { expect } from "vitest";

/** Stands for any text that holds `part`. Vitest types its own form as `any`. */
export const containing = (part: string): unknown => expect.stringContaining(part);
