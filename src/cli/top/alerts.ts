/** What a person who watches should look at. Pure. */
import type { Tone } from "../output/terminal.ts";
import type { Breaker, Snapshot } from "./snapshot.ts";

export type Alert = { readonly name: string; readonly why: string; readonly tone: Tone };

/** From here on something that has a limit is worth a look; budgets are told of at the same share. */
const NEAR_RATIO = 0.8;

/** @returns the worst first. */
export function alertsOf({ node, nodes, breakers }: Snapshot): readonly Alert[] {
  const { following } = node.fleet;
  const alerts: readonly Alert[] = [
    ...node.checks.filter(({ ok }) => !ok).map(({ name, detail }) => ({ name, why: detail, tone: "bad" as const })),
    ...(following?.hubAnswers === false
      ? [{ name: "hub", why: "does not answer; what is shown may be old", tone: "bad" as const }]
      : []),
    ...(breakers ?? []).flatMap(breakerAlerts),
    ...(nodes ?? []).flatMap(({ name, isFresh, state, backOff }): readonly Alert[] => {
      if (backOff !== null) return [{ name, why: `gets no work: ${backOff.reason}`, tone: "warn" }];
      if (!isFresh && state === "active") return [{ name, why: "was not heard of for a minute", tone: "warn" }];
      return [];
    }),
  ];
  return alerts.toSorted((a, b) => Number(a.tone !== "bad") - Number(b.tone !== "bad"));
}

function breakerAlerts({ name, state, value, limit, detail }: Breaker): readonly Alert[] {
  switch (state) {
    case "open":
      return [{ name, why: detail, tone: "bad" }];
    case "halfOpen":
    case "overridden":
      return [{ name, why: detail, tone: "warn" }];
    case "closed":
      return isNear(name, value, limit) ? [{ name, why: detail, tone: "warn" }] : [];
  }
}

/** Of money and tokens alone: the disk's limit is what must be left, and the rest holds nothing back before it is full. */
function isNear(name: string, value: number, limit: number | null): boolean {
  return name.startsWith("budget:") && limit !== null && value >= NEAR_RATIO * limit;
}
