/** Runs the checks of main branches: when asked for, and by itself when one has moved. */
import { ok, type Result } from "#base";
import type { DeliveryRecord } from "../../registry/repository-store.ts";
import type { Turns } from "../../turns.ts";
import { type CheckReport, hasChecks } from "../delivery.ts";
import { type AfterMergeParts, noteChecks, takeBack } from "./after-merge.ts";
import { checkedMain } from "./checked-mains.ts";

export type MainCheckParts = Omit<AfterMergeParts, "place"> & { readonly turns: Turns };

/** Deliveries among which the merge is that a main branch shows. */
const RECENT = 20;

/** Runs them on the main branch as it is now, and notes what is red or well again. @returns null where there are none */
export async function checkMain(parts: MainCheckParts): Promise<Result<CheckReport | null>> {
  const { repository, turns } = parts;
  return hasChecks(repository) ? turns.run(repository.name, () => checkNow(parts)) : ok(null);
}

async function checkNow(parts: MainCheckParts): Promise<Result<CheckReport>> {
  const { repository, places, checks } = parts;
  const opened = await places.openMain(repository);
  if (!opened.ok) return opened;
  const { place, main } = opened.value;
  const ran = await checks.run(repository, place.gitDir, main);
  const noted = ran.ok ? await noteChecks(parts, main, ran.value) : ran;
  return noted.ok ? ran : noted;
}

/**
 * Runs them if the main branch is not where they ran last. Attempts go on meanwhile: only what they came to is noted in
 * turn. A merge of ours that is red, and that nobody looked at because the node was killed, is taken back as after it.
 */
export async function checkMovedMain(parts: MainCheckParts): Promise<Result<CheckReport | null>> {
  const { repository, places, checks, turns, stateDir } = parts;
  const { name } = repository;
  if (!hasChecks(repository)) return ok(null);
  const before = checkedMain(stateDir, name);
  const opened = await turns.run(name, () => places.openMain(repository));
  if (!opened.ok) return opened;
  const { place, main } = opened.value;
  if (main === before) return ok(null);
  const ran = await checks.run(repository, place.gitDir, main);
  if (!ran.ok) return ran;
  return turns.run(name, async () => {
    // Somebody else had them run meanwhile, perhaps on what came later.
    if (checkedMain(stateDir, name) !== before) return ok(null);
    const left = ran.value.failing.length > 0 ? unseenMerge(parts, main) : ok(undefined);
    if (!left.ok) return left;
    const noted = await noteChecks(parts, main, ran.value);
    if (!noted.ok) return noted;
    if (left.value === undefined) return ran;
    const back = await takeBack({ ...parts, place }, left.value, main, main, ran.value);
    return back.ok ? ran : back;
  });
}

/** @returns the delivery whose merge is the head of the main branch */
function unseenMerge({ repository, store }: MainCheckParts, main: string): Result<DeliveryRecord | undefined> {
  if (!repository.checks.afterMerge) return ok(undefined);
  const recent = store.deliveries(repository.name, RECENT);
  if (!recent.ok) return recent;
  return ok(recent.value.find(({ report, reverted }) => report["merge"] === main && reverted === null));
}
