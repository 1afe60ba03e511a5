import { DocumentNames, seeAddresses } from "./addresses.ts";
import type { PublishedFile } from "./scan.ts";

/** A file as it may be published. */
export type Replaced = { readonly path: string; readonly text: string; readonly replacements: number };

/**
 * Puts addresses reserved for documents in the place of internal ones: the same one for the same address in all `files`.
 * @returns the files that changed
 */
export function replaceAddresses(
  files: readonly PublishedFile[],
  isAllowed: (path: string, address: string) => boolean,
): readonly Replaced[] {
  const names = new DocumentNames();
  return files.flatMap(({ path, text }) => {
    if (text === undefined) return [];
    const seen = seeAddresses(text).filter(({ start, end }) => !isAllowed(path, text.slice(start, end)));
    if (seen.length === 0) return [];
    let clean = "";
    let from = 0;
    for (const { start, end } of seen) {
      clean += text.slice(from, start) + names.of(text.slice(start, end));
      from = end;
    }
    return [{ path, text: clean + text.slice(from), replacements: seen.length }];
  });
}
