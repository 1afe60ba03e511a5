import { MAX_PAGE_ROWS, ok, type Result } from "#base";
import type { Fault } from "../output/console.ts";

type Page<Item> = { readonly items: readonly Item[]; readonly nextCursor: string | null };

/** Reads pages until `limit` items are there or no more exist. @returns them as one page. */
export async function collectPages<Item>(
  limit: number,
  cursor: string | undefined,
  read: (query: { readonly limit: string; readonly cursor?: string }) => Promise<Result<Page<Item>, Fault>>,
): Promise<Result<Page<Item>, Fault>> {
  const items: Item[] = [];
  let next = cursor;
  do {
    const count = Math.min(MAX_PAGE_ROWS, limit - items.length);
    const page: Result<Page<Item>, Fault> = await read({
      limit: String(count),
      ...(next === undefined ? {} : { cursor: next }),
    });
    if (!page.ok) return page;
    items.push(...page.value.items);
    next = page.value.nextCursor ?? undefined;
  } while (next !== undefined && items.length < limit);
  return ok({ items, nextCursor: next ?? null });
}
