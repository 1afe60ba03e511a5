/** All that `top` shows, read from the API at one time. */
import type { NodeView, QueueView, TaskView } from "#api";
import { ok, type Result } from "#base";
import type { Api, Client, SuccessOf } from "../connection/api.ts";
import type { Fault } from "../output/console.ts";
import type { Elsewhere, Endpoint } from "../tasks/endpoint-text.ts";

/** Taller screens are rare, and a page has room for them. */
const RUNNING_READ = 100;

export type Hardware = SuccessOf<Awaited<ReturnType<Client["api"]["hw"]["$get"]>>>;
export type FleetNode = SuccessOf<Awaited<ReturnType<Client["api"]["nodes"]["$get"]>>>["nodes"][number];
export type Breaker = SuccessOf<Awaited<ReturnType<Client["api"]["breakers"]["$get"]>>>["breakers"][number];

export type Snapshot = {
  readonly atMs: number;
  readonly node: NodeView;
  readonly queue: QueueView;
  readonly running: readonly TaskView[];
  /** Null where the node does not say. */
  readonly nodes: readonly FleetNode[] | null;
  readonly endpoints: readonly Endpoint[] | null;
  readonly elsewhere: readonly Elsewhere[] | null;
  readonly hardware: Hardware | null;
  readonly breakers: readonly Breaker[] | null;
};

const ACTION = "look at the node";

/** Reads everything at once. @returns the fault of what nothing can be shown without. */
export async function readSnapshot(api: Api): Promise<Result<Snapshot, Fault>> {
  const [node, queue, running, nodes, endpoints, hardware, breakers] = await Promise.all([
    api.ask(ACTION, (client) => client.api.node.$get()),
    api.ask(ACTION, (client) => client.api.queue.$get()),
    api.ask(ACTION, (client) => client.api.tasks.$get({ query: { state: "running", limit: String(RUNNING_READ) } })),
    api.ask(ACTION, (client) => client.api.nodes.$get()),
    api.ask(ACTION, (client) => client.api.endpoints.$get()),
    api.ask(ACTION, (client) => client.api.hw.$get()),
    api.ask(ACTION, (client) => client.api.breakers.$get()),
  ]);
  if (!node.ok) return node;
  if (!queue.ok) return queue;
  if (!running.ok) return running;
  return ok({
    atMs: api.environment.clock.nowMs(),
    node: node.value,
    queue: queue.value,
    running: running.value.items,
    nodes: nodes.ok ? nodes.value.nodes : null,
    endpoints: endpoints.ok ? endpoints.value.endpoints : null,
    elsewhere: endpoints.ok ? endpoints.value.elsewhere : null,
    hardware: hardware.ok ? hardware.value : null,
    breakers: breakers.ok ? breakers.value.breakers : null,
  });
}
