import type { CommandContext } from "../context.ts";

/** @returns the name that is kept beside a decision: the one that was given, else that of the user. */
export function byWhom(by: string | undefined, { environment }: CommandContext): { readonly by?: string } {
  const name = by ?? environment.env["USER"];
  return name === undefined || name === "" ? {} : { by: name };
}
