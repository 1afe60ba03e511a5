import type { NodeId, TaskId } from "#base";
import type { ClaimedTask, ClaimRequest } from "./commands/claim.ts";

type Placed = { readonly id: TaskId; readonly requirements: string; readonly body: string };

/** Who should have work when several holders ask for it. Asked within claims: every call answers at once. */
export interface PlacementRule {
  /** Whether a holder should leave work with these requirements for another one for a while. */
  defers(holder: NodeId, requirements: string): boolean;
  /** Whether what was left for this task on another holder outweighs the rest. */
  leaves(holder: NodeId, task: Placed): boolean;
  /** Tasks that a holder takes although it leaves others of their kind. */
  homed(holder: NodeId): ReadonlySet<TaskId>;
  /** These were given to a holder. */
  claimed(holder: NodeId, tasks: readonly ClaimedTask[]): void;
}

/** @returns the request as the rule wants it carried out. */
export function ruled(request: ClaimRequest, rule: PlacementRule): ClaimRequest {
  const { holder } = request;
  return {
    ...request,
    defers: (requirements) => rule.defers(holder, requirements),
    leaves: (task) => rule.leaves(holder, task),
    homed: rule.homed(holder),
  };
}
