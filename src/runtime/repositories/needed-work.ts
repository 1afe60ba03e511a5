import { ok, type Result, type TaskId } from "#base";
import type { Fence, QueueStore } from "#queue";
import type { NeededWork } from "#repos";

export function fenceText({ epoch, n }: Fence): string {
  return `${epoch}.${n}`;
}

/** @returns what those of the tasks changed in a repository that have passed; of tasks that are not kept any more nothing */
export async function neededWork(
  queue: Pick<QueueStore, "findMany">,
  tasks: readonly TaskId[],
  repository: string,
): Promise<Result<readonly NeededWork[]>> {
  if (tasks.length === 0) return ok([]);
  const found = await queue.findMany(tasks);
  if (!found.ok) return found;
  const byId = new Map(found.value.map((record) => [record.row.id, record]));
  return ok(
    // In the order that was asked for: a task builds on those before it.
    tasks.flatMap((taskId) => {
      const passed = byId.get(taskId)?.attempts.findLast(({ outcome }) => outcome === "passed");
      // `as`: written with the result by `RepositoryWorkspaces.capture`; each field is looked at.
      const { name, branch, base, commit } = (passed?.result?.["repository"] ?? {}) as Readonly<
        Record<string, unknown>
      >;
      if (passed === undefined || name !== repository) return [];
      if (typeof branch !== "string" || typeof base !== "string" || typeof commit !== "string") return [];
      const fence = fenceText({ epoch: passed.fenceEpoch, n: passed.fenceN });
      return [{ taskId, attempt: passed.n, fence, branch, base, commit }];
    }),
  );
}
