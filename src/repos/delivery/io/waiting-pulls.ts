/** Pull requests that wait for the checks of their forge: looked at again until they can be merged, or never will be. */
import { type Clock, ok, type Result } from "#base";
import type { Forge } from "../../forge/forge.ts";
import type { Registered } from "../../registry/repository.ts";
import type { DeliveryRecord, RepositoryStore } from "../../registry/repository-store.ts";
import { type DeliveryNews, type DeliveryOrder, type DeliveryReceipt, type Waiting, waitingOf } from "../delivery.ts";

export type WaitingParts = {
  readonly repository: Registered;
  readonly store: RepositoryStore;
  readonly forgeOf: (repository: Registered) => Result<Forge | undefined>;
  /** How long one may wait. */
  readonly forgeWaitMs: number;
  readonly deliver: (order: DeliveryOrder) => Promise<Result<DeliveryReceipt>>;
  readonly clock: Clock;
};

/** Of one repository, in one look. */
const MAX_LOOKED_AT = 50;

/** @returns those that wait no longer, and what became of them */
export async function followWaiting(parts: WaitingParts): Promise<Result<readonly DeliveryNews[]>> {
  const { repository, store } = parts;
  const recent = store.deliveries(repository.name, MAX_LOOKED_AT);
  if (!recent.ok) return recent;
  const news: DeliveryNews[] = [];
  for (const record of recent.value) {
    const waiting = waitingOf(record);
    if (waiting === undefined) continue;
    const newest = store.deliveryOf(repository.name, record.goal);
    if (!newest.ok) return newest;
    if (newest.value?.id !== record.id) continue;
    const followed = await follow(parts, record, waiting);
    if (!followed.ok) return followed;
    if (followed.value !== undefined) news.push({ goal: record.goal, ...followed.value });
  }
  return ok(news);
}

async function follow(
  parts: WaitingParts,
  record: DeliveryRecord,
  waiting: Waiting,
): Promise<Result<DeliveryReceipt | undefined>> {
  const { repository, forgeOf, forgeWaitMs, clock, deliver } = parts;
  const forge = forgeOf(repository);
  if (!forge.ok) return forge;
  if (forge.value === undefined) return ends(parts, record, "the repository has no forge any more");
  const status = await forge.value.status(record.head);
  if (!status.ok) return status;
  if (status.value === "failing") return ends(parts, record, "the checks of the forge are failing");
  if (status.value === "pending") {
    if (clock.nowMs() - waiting.sinceMs < forgeWaitMs) return ok(undefined);
    return ends(parts, record, "the checks of the forge did not end in time");
  }
  const { sinceMs: _, ...asked } = waiting;
  const { goal: goalId, branch } = record;
  const delivered = await deliver({ ...asked, goalId, branch, repository: repository.name });
  if (!delivered.ok) return delivered;
  // It may have to wait again, for another commit.
  const now = parts.store.deliveryOf(repository.name, goalId);
  if (!now.ok) return now;
  return ok(now.value !== undefined && waitingOf(now.value) !== undefined ? undefined : delivered.value);
}

/** It stays a pull request, which a person looks at. */
async function ends({ store }: WaitingParts, record: DeliveryRecord, detail: string): Promise<Result<DeliveryReceipt>> {
  const { waits: _, ...report } = record.report;
  const kept = await store.putDelivery({ ...record, detail, report });
  return kept.ok ? ok({ outcome: record.outcome, detail, link: record.link }) : kept;
}
