import type { JsonValue, Result } from "#base";
import type { DrainedNode, FleetAdministration, TokenReceipt, TokenView } from "./administration.ts";
import type { NodeState } from "./directory.ts";
import type { HubClient } from "./io/hub-client.ts";
import type { TokenWish } from "./trust/join-token.ts";

/** What a person asks of a node that is not the hub, the hub is asked; it looks whether this node is an operator. */
const DEADLINE_MS = 20_000;

/** The hub says under its signature what it answers; its shapes are those of {@link FleetAdministration}. */
export class RemoteAdministration implements FleetAdministration {
  readonly #client: HubClient;

  constructor(client: HubClient) {
    this.#client = client;
  }

  createToken(wish: TokenWish): Promise<Result<TokenReceipt>> {
    return this.#ask("POST", "/api/tokens", { ...wish });
  }

  async tokens(): Promise<Result<readonly TokenView[]>> {
    const found = await this.#ask<{ readonly tokens: readonly TokenView[] }>("GET", "/api/tokens");
    return found.ok ? { ok: true, value: found.value.tokens } : found;
  }

  revokeToken(id: string): Promise<Result<{ readonly id: string }>> {
    return this.#ask("DELETE", `/api/tokens/${encodeURIComponent(id)}`);
  }

  setNodeState(
    node: string,
    state: NodeState,
  ): Promise<Result<{ readonly id: string; readonly name: string; readonly state: NodeState }>> {
    const path = `/api/nodes/${encodeURIComponent(node)}`;
    if (state === "removed") return this.#ask("DELETE", path);
    return this.#ask("POST", `${path}/${state === "cordoned" ? "cordon" : "uncordon"}`);
  }

  drainNode(node: string): Promise<Result<DrainedNode>> {
    return this.#ask("POST", `/api/nodes/${encodeURIComponent(node)}/drain`);
  }

  async orderRestart(node: string): Promise<Result<{ readonly id: string }>> {
    const asked = await this.#ask("POST", `/api/nodes/${encodeURIComponent(node)}/restart`);
    return asked.ok ? { ok: true, value: { id: node } } : asked;
  }

  async #ask<T>(method: string, path: string, body?: JsonValue): Promise<Result<T>> {
    const answer = await this.#client.request(method, path, body, { deadlineMs: DEADLINE_MS, isOfNow: true });
    return answer.ok ? { ok: true, value: answer.value as T } : answer; // `as`: see the head of the class
  }
}
