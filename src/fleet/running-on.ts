import { type NodeId, ok, type Result } from "#base";
import type { QueueStore, TaskRow } from "#queue";

const MAX_PAGES = 20;
const PAGE_ROWS = 500;

/** What a node runs as a store shows it: the first 10,000 tasks that run anywhere are looked through. */
export async function runningOn(store: Pick<QueueStore, "list">, node: NodeId): Promise<Result<readonly TaskRow[]>> {
  const rows: TaskRow[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const found = await store.list({ states: ["running"] }, PAGE_ROWS, cursor);
    if (!found.ok) return found;
    rows.push(...found.value.items.map(({ row }) => row).filter(({ holder }) => holder === node));
    if (found.value.nextCursor === null) break;
    cursor = found.value.nextCursor;
  }
  return ok(rows);
}
