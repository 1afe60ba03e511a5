/** Who replaces a lost hub, as the API returns it. */
import { z } from "zod";
import { FAILOVER_MODES, MIN_VOTERS } from "#fleet";
import type { ApiPorts } from "./ports.ts";

export const failoverSchema = z.object({
  mode: z.enum(FAILOVER_MODES),
  /** Whether a hub that is lost now is replaced without a person. */
  isActive: z.boolean(),
  /** Why not, though the mode is automatic. */
  reason: z.string().nullable(),
  /** How long a hub has to be silent; null in a fleet that never had the mode automatic. */
  leaseMs: z.int().nullable(),
  voters: z.array(z.object({ id: z.string(), name: z.string() })),
  /** On a hub: whether a majority of the voters lets it acknowledge. Null where it needs nobody's leave. */
  holdsLease: z.boolean().nullable(),
  /** How the hub came to be the hub; null before the first node joined. */
  term: z.object({ epoch: z.int(), node: z.string(), name: z.string(), atMs: z.int(), why: z.string() }).nullable(),
});

export const exampleFailover = {
  mode: "automatic" as const,
  isActive: true,
  reason: null,
  leaseMs: 10_000,
  voters: [{ id: "n_06d3w4q000e7v9w2m5x1y3z6ab", name: "hub" }],
  holdsLease: true,
  term: {
    epoch: 1,
    node: "n_06d3w4q000e7v9w2m5x1y3z6ab",
    name: "hub",
    atMs: 1_763_700_000_000,
    why: "first token",
  },
};

/** @returns null where this node is in no fleet. */
export function failoverView({ fleet }: Pick<ApiPorts, "fleet">): z.output<typeof failoverSchema> | null {
  const view = fleet.failover?.view();
  if (view === undefined) return null;
  const { voters, isAutomatic, holdsLease, term } = view;
  const names = new Map<string, string>(fleet.nodes().map(({ id, name }) => [id, name]));
  const mode = voters?.mode ?? "manual";
  return {
    mode,
    isActive: isAutomatic,
    reason: mode === "automatic" && !isAutomatic ? tooFew(voters?.nodes.length ?? 0) : null,
    leaseMs: voters?.leaseMs ?? null,
    voters: (voters?.nodes ?? []).map((id) => ({ id, name: names.get(id) ?? id })),
    holdsLease,
    term: term === null ? null : { ...term, name: names.get(term.node) ?? term.node },
  };
}

function tooFew(voters: number): string {
  return (
    `a hub is elected only among ${MIN_VOTERS} voters or more, and there ${voters === 1 ? "is 1" : `are ${voters}`}: ` +
    "until then a person promotes a node. Voters are the hub and members that joined with an address (--own-url, fleet.url)"
  );
}
