/** What is done about servers of models. */
import { type Care, did, type Remedies } from "#activities";
import { type Clock, err, type Failure, ok, type Result, refused, retryable } from "#base";
import type { EndpointState } from "#hw";
import type { Config } from "../../config/settings.ts";
import { runCommand } from "../run-command.ts";

/** A service that takes longer to come up is seen to by the next look. */
const RESTART_LIMIT_MS = 60_000;
/** Models of an endpoint that are given up at once. */
const MAX_UNLOADED = 32;

export type EndpointRemedyParts = {
  readonly config: Config;
  readonly clock: Clock;
  readonly states: () => readonly EndpointState[];
  readonly probe: (id: string) => Promise<Result<EndpointState>>;
  readonly unload: (endpoint: string, model: string) => Promise<{ readonly message: string } | undefined>;
  readonly load: (endpoint: string, model: string) => Promise<{ readonly message: string } | undefined>;
  /** Opens a way, durably, until the time of its remediation is over. */
  readonly handOver: (
    care: Pick<Care, "kind" | "target">,
    remediation: "routeToFallback" | "routeToClaude",
  ) => Result<void>;
};

type EndpointRemedies = Pick<
  Remedies,
  "unloadIdleModels" | "probeEndpoint" | "reloadModel" | "restartEndpointService" | "routeToFallback" | "routeToClaude"
>;

export function endpointRemedies(parts: EndpointRemedyParts): EndpointRemedies {
  const { config, clock, states, probe, handOver } = parts;
  const route = (
    kind: "fallback" | "claude",
    name: "routeToFallback" | "routeToClaude",
    who: string,
  ): Result<string> => {
    const opened = handOver({ kind, target: "*" }, name);
    return opened.ok ? did(`requests that insist on no model may be answered by ${who}`) : opened;
  };
  return {
    unloadIdleModels: () => unloadIdle(parts),
    probeEndpoint: async ({ target }) => {
      const seen = await probe(target);
      return seen.ok ? did(`${target} was looked at: ${seen.value.health.kind}`) : seen;
    },
    reloadModel: ({ target }) => reload(parts, target),
    restartEndpointService: async ({ target }) => {
      const command = config.endpoints.find(
        (each) => (each.name ?? "") === target || isAt(each.url, target, states()),
      )?.restart_command;
      if (command === undefined) {
        const remedy = "Set restart_command of the endpoint in the configuration";
        return err(refused("unsupported", `no command restarts the service of ${target}`, remedy));
      }
      const ran = await runCommand(command, { limitMs: RESTART_LIMIT_MS, clock });
      if (!ran.ok) return ran;
      await probe(target);
      return did(`${command[0] ?? ""} ended with 0`);
    },
    routeToFallback: async () => route("fallback", "routeToFallback", config["fsm.fallback_models"].join(", ")),
    routeToClaude: async () => route("claude", "routeToClaude", "Claude"),
  };
}

function isAt(url: string, id: string, states: readonly EndpointState[]): boolean {
  const known = states.find(({ endpoint }) => endpoint.id === id)?.endpoint.url;
  return known !== undefined && known === url.replace(/\/+$/, "");
}

async function unloadIdle({ states, unload, probe }: EndpointRemedyParts): Promise<Result<string>> {
  const given: string[] = [];
  let failed: Failure | undefined;
  for (const state of states()) {
    const { endpoint, loaded } = state;
    // Memory of other hosts is theirs to see to.
    if (endpoint.kind !== "ollama" || !endpoint.isLocal || (state.outsiders ?? 0) > 0) continue;
    const before = given.length;
    for (const { name } of loaded.slice(0, MAX_UNLOADED)) {
      const now = states().find((each) => each.endpoint.id === endpoint.id);
      if ((now?.inFlight[name] ?? 0) > 0) continue;
      const failure = await unload(endpoint.id, name);
      if (failure === undefined) given.push(`${name} of ${endpoint.id}`);
      else failed = retryable("unavailable", `${name} of ${endpoint.id} was not given up: ${failure.message}`);
    }
    if (given.length > before) await probe(endpoint.id);
  }
  if (given.length === 0 && failed !== undefined) return err(failed);
  return ok(given.length === 0 ? "no model is loaded and idle" : `given up: ${given.join(", ")}`);
}

/** Gives up what is loaded and loads the first of it again, or the smallest that there is. */
async function reload({ states, unload, load, probe }: EndpointRemedyParts, id: string): Promise<Result<string>> {
  const state = states().find(({ endpoint }) => endpoint.id === id);
  if (state === undefined) return err(refused("not_found", `there is no endpoint ${id.slice(0, 200)}`));
  if (state.endpoint.kind !== "ollama") return err(refused("unsupported", `${id} loads no model when asked`));
  const loaded = state.loaded.map(({ name }) => name).slice(0, MAX_UNLOADED);
  const [smallest] = state.models.toSorted((a, b) => (a.sizeBytes ?? 0) - (b.sizeBytes ?? 0));
  const model = loaded[0] ?? smallest?.name;
  if (model === undefined) return err(refused("not_found", `${id} is known to have no model`));
  for (const name of loaded) await unload(id, name); // one that hangs there may refuse; loading it again decides
  const failure = await load(id, model);
  await probe(id);
  if (failure !== undefined) return err(retryable("unavailable", `${model} could not be loaded: ${failure.message}`));
  return ok(`${model} was loaded again`);
}
