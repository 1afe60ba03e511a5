/** What a node's own answers say of its health. Pure: views in, findings out. */
import type { Client, SuccessOf } from "../connection/api.ts";
import type { Finding } from "../environment.ts";

export type NodeView = SuccessOf<Awaited<ReturnType<Client["api"]["node"]["$get"]>>>;
export type Hardware = SuccessOf<Awaited<ReturnType<Client["api"]["hw"]["$get"]>>>;
export type Endpoint = SuccessOf<Awaited<ReturnType<Client["api"]["endpoints"]["$get"]>>>["endpoints"][number];
export type Usage = SuccessOf<Awaited<ReturnType<Client["api"]["usage"]["$get"]>>>;
export type Breaker = SuccessOf<Awaited<ReturnType<Client["api"]["breakers"]["$get"]>>>["breakers"][number];
export type Watchdog = SuccessOf<Awaited<ReturnType<Client["api"]["watchdog"]["$get"]>>>;

/** As the node warns in its events. */
const WARNED_RATIO = 0.8;
/** As long as the watchdog's budget of restarts counts. */
const FAULTS_WITHIN_MS = 30 * 60_000;

export function nodeFindings(node: NodeView): readonly Finding[] {
  const unmet = node.checks.filter(({ ok }) => !ok).map(({ name, detail }) => finding(`node: ${name}`, "fail", detail));
  return unmet.length > 0 ? unmet : [finding("node", "ok", `${node.name} is ready, version ${node.version}`)];
}

/** Nothing of a node that was never superseded as a hub, or has settled everything with the new one. */
export function quarantineFindings({ quarantine }: NodeView["fleet"]): readonly Finding[] {
  const { waiting, refused } = quarantine;
  if (refused > 0) {
    const detail = `the new hub did not take ${refused} of the things that this node had as a hub`;
    const remedy = "See them with: drover quarantine list. Then delete what is settled: drover quarantine drop NAME";
    return [finding("quarantine", "warn", detail, remedy)];
  }
  if (waiting === 0) return [];
  const detail = `${waiting} of the things that this node had as a hub are still to be sent to the new one`;
  return [finding("quarantine", "warn", detail, "Wait until the new hub answers: drover status")];
}

/** What keeps a lost hub from being replaced, where somebody has asked for that. */
export function failoverFindings({ fleet }: NodeView): readonly Finding[] {
  const { failover } = fleet;
  if (failover === null || failover.mode === "manual") return [];
  if (failover.reason !== null) {
    const remedy = "Let members join with an address: drover join TOKEN@URL --own-url URL";
    return [finding("failover", "warn", failover.reason, remedy)];
  }
  if (failover.holdsLease !== false) return [finding("failover", "ok", `automatic, ${failover.voters.length} voters`)];
  const detail = "this hub is out of touch with most of the fleet's voters and acknowledges nothing";
  const remedy = "Look at the other nodes; when they are gone for good: drover promote --yes --force here";
  return [finding("failover", "fail", detail, remedy)];
}

/** @param watchdog null for a node that nobody watches */
export function watchdogFindings(watchdog: Watchdog | null, nowMs: number): readonly Finding[] {
  if (watchdog === null) {
    const detail = "nobody watches this node: it is not started again when it fails, and cannot be updated";
    return [finding("watchdog", "warn", detail, "Unless another supervisor does that work: drover down, drover up")];
  }
  const { node, faults, pid } = watchdog;
  const recent = faults.filter(({ atMs }) => atMs > nowMs - FAULTS_WITHIN_MS);
  const last = recent.at(-1);
  if (last === undefined) {
    return [finding("watchdog", "ok", `the node is ${node.phase}, no fault in the last half hour (process ${pid})`)];
  }
  const count = recent.length === 1 ? "one fault" : `${recent.length} faults`;
  const detail = `the node is ${node.phase}; ${count} in the last half hour, the last: ${last.reason}`;
  return [finding("watchdog", "warn", detail, `See what it printed before: tail -n 50 ${watchdog.log}`)];
}

export function hardwareFindings({ gpusKnown, notes }: Pick<Hardware, "gpusKnown" | "notes">): readonly Finding[] {
  const unknown = finding(
    "hardware",
    "warn",
    "the graphics cards were not heard of yet",
    "Look again in a minute; when it stays so, the driver's tool hangs: try nvidia-smi by hand",
  );
  return [...(gpusKnown ? [] : [unknown]), ...notes.map((note) => finding("hardware", "warn", note))];
}

export function endpointFindings(endpoints: readonly Endpoint[]): readonly Finding[] {
  if (endpoints.length === 0) {
    const detail = "no model server was found, so tasks with a prompt wait";
    return [finding("models", "warn", detail, "Start Ollama on this host, or add a server: drover endpoints add URL")];
  }
  return endpoints.map(({ id, health, reason, models }) => {
    const name = `endpoint ${id}`;
    if (health !== "healthy") {
      return finding(name, "warn", reason ?? `it is ${health}`, `Look again with: drover endpoints probe ${id}`);
    }
    return models.length === 0
      ? finding(name, "warn", "it answers and has no models", "Pull one there, for example: ollama pull qwen3:8b")
      : finding(name, "ok", `${models.length} models`);
  });
}

export function budgetFindings(budgets: Usage["budgets"]): readonly Finding[] {
  return budgets
    .filter(({ used, limit }) => used >= limit * WARNED_RATIO)
    .map(({ span, unit, action, freesAtMs, used, limit }) => {
      const howMuch = used >= limit ? "is used up" : `is used to ${Math.floor((used / limit) * 100)} %`;
      const detail = `the budget of this ${span} in ${unit} ${howMuch}; its action is ${action}`;
      const wait = freesAtMs === null ? "" : `Wait until ${new Date(freesAtMs).toISOString()}, or `;
      const remedy = `${wait}raise budgets.${span}_${unit} and restart the node`;
      return finding("budget", "warn", detail, remedy);
    });
}

const BREAKER_REMEDIES: ReadonlyMap<string, string> = new Map([
  ["queue", "Look at: drover queue"],
  ["disk", "Free some space in the state folder's file system"],
  ["builds", "See why: drover releases. Then wait, or: drover breakers reset builds"],
]);

/** Endpoints and budgets have findings of their own. */
export function breakerFindings(breakers: readonly Breaker[]): readonly Finding[] {
  return breakers
    .filter(({ name, state }) => state !== "closed" && BREAKER_REMEDIES.has(name))
    .map(({ name, state, detail }) => {
      const remedy = BREAKER_REMEDIES.get(name) ?? null;
      return finding(`breaker ${name}`, "warn", `${state}: ${detail}`, remedy);
    });
}

export function finding(name: string, level: Finding["level"], detail: string, remedy: string | null = null): Finding {
  return { name, level, detail, remedy };
}
