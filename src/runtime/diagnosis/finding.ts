import type { Finding } from "#cli";

/** @param remedy what to do, with the command that does it where there is one. */
export function finding(name: string, level: Finding["level"], detail: string, remedy: string | null = null): Finding {
  return { name, level, detail, remedy };
}
