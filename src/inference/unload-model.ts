import { modelOf } from "#hw";
import type { InferenceFailure } from "./chat.ts";
import type { ClientEvent } from "./client.ts";
import { withDeadlines } from "./deadlines.ts";
import { inferenceFailure } from "./failure.ts";
import type { InferencePorts } from "./ports.ts";

export type UnloadPorts = Pick<InferencePorts, "directory" | "limits" | "clock"> & {
  /** Of Ollama. */
  readonly client: InferencePorts["clients"]["ollama"];
};

/**
 * Has an Ollama give up the memory of a model. Whoever asks for the model next waits until it is loaded again.
 * @returns why it failed, if it did; `notSupported` for other kinds of server, which keep what they were started with
 */
export async function unloadModel(
  { directory, client, limits, clock }: UnloadPorts,
  endpointId: string,
  model: string,
): Promise<InferenceFailure | undefined> {
  const state = directory.state(endpointId);
  if (state === undefined) return inferenceFailure("notFound", `there is no endpoint ${endpointId}`);
  const { endpoint } = state;
  if (endpoint.kind !== "ollama") return inferenceFailure("notSupported", `${endpointId} gives up no model when asked`);
  const wireName = modelOf(state, model)?.serverName ?? model;
  // Ollama unloads a model that is asked nothing and is to be kept for no time.
  const target = { endpoint, model, wireName, contextTokens: null, keepAliveSeconds: 0 };
  const open = (signal: AbortSignal): AsyncIterable<ClientEvent> => client.chat(target, { messages: [] }, signal);
  for await (const event of withDeadlines(open, limits, clock, new AbortController().signal)) {
    if (event.kind === "failed") return event.failure;
  }
  return undefined;
}
