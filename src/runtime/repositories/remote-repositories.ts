/** On a node that is not the hub: the hub is asked, which looks whether this node is an operator. */
import type { AssessmentView, DeliveryView, DeliveryWish, ReceiptView, RepositoryPort, RepositoryView } from "#api";
import { type JsonValue, ok, type Result } from "#base";
import type { Fleet } from "#fleet";
import type { RepositoryInput } from "#repos";

const DEADLINE_MS = 60_000;
/** A delivery runs the checks of the repository. */
const DELIVERY_DEADLINE_MS = 45 * 60_000;

type Client = Pick<NonNullable<Fleet["client"]>, "request">;

/** The hub says under its signature what it answers; its shapes are those of the port. */
export class RemoteRepositories implements RepositoryPort {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async list(): Promise<Result<readonly RepositoryView[]>> {
    const found = await this.#ask<{ readonly repositories: readonly RepositoryView[] }>("GET", "");
    return found.ok ? ok(found.value.repositories) : found;
  }

  find(name: string): Promise<Result<RepositoryView>> {
    return this.#one("GET", pathOf(name));
  }

  add(input: RepositoryInput): Promise<Result<RepositoryView>> {
    return this.#one("POST", "", { ...input } as JsonValue); // `as`: it came as JSON
  }

  setPaused(name: string, paused: boolean): Promise<Result<RepositoryView>> {
    return this.#one("POST", `${pathOf(name)}/${paused ? "pause" : "resume"}`);
  }

  remove(name: string): Promise<Result<{ readonly name: string }>> {
    return this.#ask("DELETE", pathOf(name));
  }

  check(name: string): Promise<Result<RepositoryView>> {
    return this.#one("POST", `${pathOf(name)}/check`);
  }

  async deliveries(name: string, limit: number): Promise<Result<readonly DeliveryView[]>> {
    const path = `${pathOf(name)}/deliveries?limit=${limit}`;
    const found = await this.#ask<{ readonly deliveries: readonly DeliveryView[] }>("GET", path);
    return found.ok ? ok(found.value.deliveries) : found;
  }

  risk(name: string, branch: string): Promise<Result<AssessmentView>> {
    const path = `${pathOf(name)}/risk?branch=${encodeURIComponent(branch)}`;
    return this.#ask("GET", path, undefined, DELIVERY_DEADLINE_MS);
  }

  deliver(name: string, wish: DeliveryWish): Promise<Result<ReceiptView>> {
    const known = Object.entries(wish).filter(([, value]) => value !== undefined);
    // `as`: each of its fields is a text
    const body = Object.fromEntries(known) as JsonValue;
    return this.#ask("POST", `${pathOf(name)}/deliveries`, body, DELIVERY_DEADLINE_MS);
  }

  async #one(method: string, path: string, body?: JsonValue): Promise<Result<RepositoryView>> {
    const found = await this.#ask<{ readonly repository: RepositoryView }>(method, path, body, DELIVERY_DEADLINE_MS);
    return found.ok ? ok(found.value.repository) : found;
  }

  async #ask<T>(method: string, path: string, body?: JsonValue, deadlineMs = DEADLINE_MS): Promise<Result<T>> {
    const answer = await this.#client.request(method, `/api/repos${path}`, body, { deadlineMs });
    return answer.ok ? ok(answer.value as T) : answer; // `as`: see the head of the class
  }
}

function pathOf(name: string): string {
  return `/${encodeURIComponent(name)}`;
}
