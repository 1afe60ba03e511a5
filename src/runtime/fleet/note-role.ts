/** A hub by its configuration is noted in node.db like any other: its next start asks the others whether it still is one. */
import { describeFailure, type Logger, ok, type Result } from "#base";
import type { Fleet } from "#fleet";
import type { Stores } from "#store";
import type { FleetRole } from "./role.ts";

export type NoteRoleParts = {
  readonly role: FleetRole;
  readonly fleet: Pick<Fleet, "hub">;
  readonly secrets: Stores["secrets"];
  readonly logger: Logger;
};

/** To be called once the node's address is known. What cannot be noted now is noted by the next start. */
export async function noteRole({ role, fleet, secrets, logger }: NoteRoleParts): Promise<void> {
  const noted = role.kind === "hub" ? await fleet.hub?.beConfigured() : forgetConfigured(role, secrets);
  if (noted?.ok === false) logger.warn("the role of this node was not noted", { why: describeFailure(noted.error) });
}

/** Alone again, since nobody was invited: then the note would have bound it (role.ts). */
function forgetConfigured(role: FleetRole, secrets: Stores["secrets"]): Result<void> {
  const isHub = role.kind === "solo" ? secrets.isHub() : ok(false);
  if (!isHub.ok) return isHub;
  return isHub.value ? secrets.noteRole("solo") : ok(undefined);
}
