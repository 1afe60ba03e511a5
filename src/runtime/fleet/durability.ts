/** What store.durability comes to on this node. */
import type { DurabilityView } from "#api";
import type { Logger } from "#base";
import type { ReplicaWatch } from "#fleet";
import type { Config } from "../config/settings.ts";
import type { FleetRole } from "./role.ts";

type DurabilityConfig = Pick<Config, "store.durability" | "store.replicas">;

/** @returns how many other nodes a hub waits for; null when it does not. */
export function wantedReplicas(config: DurabilityConfig): number | null {
  return config["store.durability"] === "replicated" ? config["store.replicas"] : null;
}

/** @returns why the setting has no effect on this node; undefined when it has, or when nothing is wanted. */
function unmetDurability({ kind }: FleetRole, config: DurabilityConfig): string | undefined {
  if (wantedReplicas(config) === null || kind === "hub") return undefined;
  return kind === "solo"
    ? "store.durability = replicated has no effect: this node is alone, so what it answers is on its own disk only. Invite others with drover token create, or make it a hub"
    : "store.durability = replicated has no effect here: it counts on the hub of the fleet";
}

/** For status: what holds at this moment. Says once when what is configured does not hold. */
export function durabilityOf(
  role: FleetRole,
  config: DurabilityConfig,
  watch: Pick<ReplicaWatch, "figures"> | undefined,
  logger: Logger,
): () => DurabilityView | null {
  const note = unmetDurability(role, config) ?? null;
  if (note !== null) logger.warn(note);
  return () => {
    if (role.kind === "member") return null;
    if (watch === undefined) return { mode: "local", replicas: null, live: null, seq: null, note };
    return { mode: "replicated", ...watch.figures(), note };
  };
}
