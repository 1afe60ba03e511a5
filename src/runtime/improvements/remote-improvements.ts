/** Improvements and proposals of a node that follows a hub: the hub is asked, which looks whether this node may. */

import type { Proposal } from "#activities";
import type { FindingQuery, FindingView, ImprovementPort, ImprovementsView, ProposalPort } from "#api";
import { type JsonValue, ok, type Result } from "#base";
import type { HubClient } from "#fleet";

const DEADLINE_MS = 20_000;

type Client = Pick<HubClient, "request">;

async function ask<T>(client: Client, method: "GET" | "POST", path: string, body?: JsonValue): Promise<Result<T>> {
  const answer = await client.request(method, path, body, { deadlineMs: DEADLINE_MS });
  return answer.ok ? ok(answer.value as T) : answer; // `as`: signed by the hub, whose schema it is
}

export function remoteImprovements(client: Client): ImprovementPort {
  const at = (fingerprint: string, what = ""): string => `/api/improvements/${encodeURIComponent(fingerprint)}${what}`;
  return {
    list: ({ states, repository, limit }: FindingQuery) => {
      const own = repository === undefined ? "" : `&repository=${encodeURIComponent(repository)}`;
      return ask<ImprovementsView>(client, "GET", `/api/improvements?state=${states.join(",")}&limit=${limit}${own}`);
    },
    show: (fingerprint) => ask<FindingView>(client, "GET", at(fingerprint)),
    dismiss: (fingerprint, reason) => ask<FindingView>(client, "POST", at(fingerprint, "/dismiss"), { reason }),
    reopen: (fingerprint) => ask<FindingView>(client, "POST", at(fingerprint, "/reopen")),
    look: () => ask<{ existed: boolean }>(client, "POST", "/api/improvements/scan"),
  };
}

/** The hub notes the name that is given here, and which node gave it: which person it was, a member cannot prove. */
export function remoteProposals(client: Client): ProposalPort {
  const at = (id: string, what = ""): string => `/api/proposals/${encodeURIComponent(id)}${what}`;
  return {
    list: async (states, limit) => {
      const found = await ask<{ proposals: readonly Proposal[] }>(
        client,
        "GET",
        `/api/proposals?state=${states.join(",")}&limit=${limit}`,
      );
      return found.ok ? ok(found.value.proposals) : found;
    },
    show: (id) => ask<Proposal>(client, "GET", at(id)),
    approve: (id, by, reason) => ask<Proposal>(client, "POST", at(id, "/approve"), { by, reason }),
    reject: (id, by, reason) => ask<Proposal>(client, "POST", at(id, "/reject"), { by, reason }),
  };
}
