/** Every breaker of this node in one list: its own, those of endpoints and budgets, and the watchdog's. */
import type { BreakerPort, BreakerView, ModelPorts, WatchdogPort } from "#api";
import { err, type JsonValue, ok, type Result, refused } from "#base";
import type { Failsafes } from "./failsafes.ts";

type Parts = {
  readonly failsafes: Failsafes;
  readonly models: Pick<ModelPorts, "endpoints" | "budgets" | "probeEndpoint">;
  readonly watchdog: WatchdogPort;
};

type Endpoint = ReturnType<ModelPorts["endpoints"]>[number];

export function breakers({ failsafes, models, watchdog }: Parts): BreakerPort {
  const list = async (): Promise<readonly BreakerView[]> => {
    await failsafes.look();
    const [status, budgets] = await Promise.all([watchdog.ask("status", null), models.budgets()]);
    return [
      ...(status.ok ? crashes(status.value) : []),
      ...failsafes.view().map(({ value, limit, ...rest }) => ({ ...rest, value, limit, isResettable: true })),
      ...models.endpoints().flatMap(endpointBreakers),
      ...(budgets.ok ? budgets.value.map(budgetBreaker) : []),
    ];
  };
  return {
    list,
    reset: async (name) => {
      if (name === "queue" || name === "disk" || name === "builds") {
        failsafes.reset(name);
        return ok(undefined);
      }
      if (name === "crashes") return done(await watchdog.ask("reset", null));
      const found = (await list()).find((breaker) => breaker.name === name);
      if (found === undefined) {
        return err(
          refused("not_found", `there is no breaker ${name.slice(0, 200)}`, "List them with: drover breakers"),
        );
      }
      if (name.startsWith(ENDPOINT)) return done(await models.probeEndpoint(name.slice(ENDPOINT.length)));
      return err(refused("unsupported", `${name} cannot be reset: ${found.detail}`, remedyOf(name)));
    },
  };
}

const ENDPOINT = "endpoint:";

function remedyOf(name: string): string {
  return name.startsWith("budget:")
    ? "Raise the budget in the configuration and restart the node, or wait"
    : "It is tried again by itself; a request for it then decides";
}

function done(result: Result<unknown>): Result<void> {
  return result.ok ? ok(undefined) : result;
}

/** The watchdog may be an older release, which does not say. */
function crashes(status: JsonValue): readonly BreakerView[] {
  const restarts = fieldOf(fieldOf(status, "node"), "restarts");
  const [used, allowed, withinMs] = ["used", "allowed", "withinMs"].map((name) => fieldOf(restarts, name));
  if (typeof used !== "number" || typeof allowed !== "number" || typeof withinMs !== "number") return [];
  const minutes = Math.round(withinMs / 60_000);
  const detail = `${used} faults of the node within ${minutes} minutes; after ${allowed} it is not started again`;
  return [{ name: "crashes", state: "closed", sinceMs: null, value: used, limit: allowed, detail, isResettable: true }];
}

function fieldOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  // `as`: any object may be read by name.
  return (value as Readonly<Record<string, JsonValue>>)[name];
}

/** The endpoint itself, and those of its models that are set aside. */
function endpointBreakers({ endpoint, health, modelHealth = {} }: Endpoint): readonly BreakerView[] {
  const viewOf = (name: string, state: Endpoint["health"], isResettable: boolean): BreakerView => ({
    name,
    state: state.kind === "open" || state.kind === "halfOpen" ? state.kind : "closed",
    sinceMs: null,
    value: state.kind === "open" ? state.faults : 0,
    limit: null,
    detail: "reason" in state ? state.reason : "it takes requests",
    isResettable,
  });
  return [
    viewOf(`${ENDPOINT}${endpoint.id}`, health, true),
    ...Object.entries(modelHealth).map(([model, state]) => viewOf(`model:${endpoint.id}/${model}`, state, false)),
  ];
}

type Budget = Extract<Awaited<ReturnType<ModelPorts["budgets"]>>, { ok: true }>["value"][number];

function budgetBreaker({ span, unit, used, limit, action, freesAtMs }: Budget): BreakerView {
  const until = freesAtMs === null ? "" : `, until ${new Date(freesAtMs).toISOString()}`;
  return {
    name: `budget:${span}:${unit}`,
    state: used >= limit ? "open" : "closed",
    sinceMs: null,
    value: used,
    limit,
    detail: `${used} of ${limit} ${unit} of this ${span} are used${until}; its action is ${action}`,
    isResettable: false,
  };
}
