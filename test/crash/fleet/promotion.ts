/** A member takes the hub's place while the old hub goes on and cannot be reached; then the old one is back. */
import { sleep } from "#base";
import { realClock } from "../../support/real-clock.ts";
import { untilAsked } from "../../support/until-asked.ts";
import type { FaultScene } from "./faults.ts";
import { untilFollows, untilHub } from "./fleet.ts";
import type { Site } from "./site.ts";

/** What the others send meanwhile is answered by the old hub and not in the copy of the one that is promoted. */
const BEHIND_MS = 1_500;
/** Both hubs write, and their members work. */
const SPLIT_MS = 3_000;
const PROMOTE_LIMIT_MS = 30_000;

/** @returns what shows that there was no such promotion. */
export async function promotedInPartition({ fleet, limitMs }: FaultScene, next: Site): Promise<string | undefined> {
  const old = fleet.hub;
  fleet.isolate([next], { kind: "cut" });
  await sleep(realClock, BEHIND_MS);
  fleet.isolate([next], { kind: "none" });
  fleet.isolate([old], { kind: "cut" });
  const before = next.nodePid();
  await untilAsked(
    `${next.name} is promoted`,
    async () => {
      const answer = await next.node
        .request("POST", "/api/fleet/promote", { hubIsOff: true, force: true })
        .catch(() => undefined);
      return answer?.status === 200;
    },
    PROMOTE_LIMIT_MS,
  );
  await next.untilOtherNode(before);
  await untilHub(next, PROMOTE_LIMIT_MS);
  await sleep(realClock, SPLIT_MS);
  fleet.hubIs(next);
  fleet.isolate([old], { kind: "none" });
  try {
    // The new hub tells every ten seconds whom it has not reached.
    for (const site of fleet.members) await untilFollows(site, next, limitMs);
  } catch (cause) {
    return String(cause);
  }
  return undefined;
}
