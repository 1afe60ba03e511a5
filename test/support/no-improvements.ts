import type { ImprovementPort, ProposalPort } from "#api";
import { err, ok, refused } from "#base";

const nothing = () => err(refused("not_found", "nothing is known here"));

/** Of a node that looks at no repository and proposes nothing. */
export const noImprovements: ImprovementPort = {
  list: async () => ok({ lookedAtMs: null, isLooking: false, scans: [], findings: [] }),
  show: async () => nothing(),
  dismiss: async () => nothing(),
  reopen: async () => nothing(),
  look: async () => ok({ existed: false }),
};

export const noProposals: ProposalPort = {
  list: async () => ok([]),
  show: async () => nothing(),
  approve: async () => nothing(),
  reject: async () => nothing(),
};
