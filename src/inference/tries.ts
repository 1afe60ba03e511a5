/** What became of the tries at one reply so far, and what is therefore not asked again. Pure but for its own lists. */
import type { CallOutcome } from "#hw";
import type { EndpointModel } from "#scheduler";
import type { ChatEvent, InferenceFailure } from "./chat.ts";
import { mayTryElsewhere } from "./failure.ts";

/** Pairs of endpoint and model asked for one reply. Four that fail in a row fail for a reason that a fifth shares. */
const MAX_TRIES = 4;

/** What routing is not to choose again for this request. */
export type Excluded = { readonly endpoints: readonly string[]; readonly models: readonly EndpointModel[] };

type Place = EndpointModel & {
  /** The model runs at its vendor, and the endpoint only hands the request on. */
  readonly isHandedOn: boolean;
};

/** One request's tries: a fault of a model excludes it at that endpoint, a fault of the endpoint all that it has. */
export class Tries {
  readonly #endpoints: string[] = [];
  readonly #models: EndpointModel[] = [];
  readonly #faulty = new Set<string>();
  readonly #said: string[] = [];
  #latest: InferenceFailure | undefined;
  #latestModel: string | undefined;

  get excluded(): Excluded {
    return { endpoints: this.#endpoints, models: this.#models };
  }

  /** The endpoint was removed between decision and request. */
  gone(endpoint: string): void {
    this.#endpoints.push(endpoint);
  }

  /** @returns whether another pair is worth asking; when it is, this one is excluded. */
  failed({ endpoint, model, isHandedOn }: Place, failure: InferenceFailure): boolean {
    this.noted(endpoint, model, failure);
    if (!mayTryElsewhere(failure) || this.#said.length >= MAX_TRIES) return false;
    // Two models that fail alike at one server are no longer the models' fault.
    const isRepeated = failure.kind === "serverFault" && this.#faulty.has(endpoint);
    if (failure.kind === "serverFault") this.#faulty.add(endpoint);
    if ((isOfModel(failure) && !isRepeated) || isHandedOn) this.#models.push({ endpoint, model });
    else this.#endpoints.push(endpoint);
    return true;
  }

  /** For the history alone: the same pair is asked again, in another way. */
  noted(endpoint: string, model: string, failure: InferenceFailure): void {
    this.#latest = failure;
    this.#latestModel = model;
    this.#said.push(`${model} on ${endpoint}: ${failure.message}`);
  }

  /** @returns the last event of a request that came to nothing: why, and which model was asked last, if one was. */
  failedEvent(failure: InferenceFailure): Extract<ChatEvent, { kind: "failed" }> {
    const model = this.#latestModel;
    return { kind: "failed", failure: this.told(failure), ...(model === undefined ? {} : { model }) };
  }

  /** @returns the failure as the caller is told it, with what was tried before. */
  told(failure: InferenceFailure): InferenceFailure {
    // That nobody is left to ask says less than what the last one said.
    const isOver = ["noRoute", "notFound", "notSupported", "refused"].includes(failure.kind);
    const meant = isOver ? (this.#latest ?? failure) : failure;
    const before = meant === this.#latest ? this.#said.slice(0, -1) : this.#said;
    return before.length === 0 ? meant : { ...meant, message: `${meant.message} (tried before: ${before.join("; ")})` };
  }
}

/** Whether the server answered, and said that this model cannot: its other models may. */
function isOfModel({ kind }: InferenceFailure): boolean {
  return kind === "notFound" || kind === "notSupported" || kind === "loadFailed" || kind === "serverFault";
}

/** @returns what a failure says about the endpoint and the model there. */
export function outcomeOf(failure: InferenceFailure, isHandedOn = false): CallOutcome {
  const reason = failure.message;
  switch (failure.kind) {
    case "unreachable":
      return { kind: "fault", reason, isRefused: true };
    case "serverFault":
    case "loadFailed":
      return { kind: "modelFault", reason };
    case "cut":
    case "timedOut":
    case "denied":
      return { kind: isHandedOn ? "modelFault" : "fault", reason };
    case "overloaded":
      if (isHandedOn) return { kind: "modelFault", reason };
      return { kind: "overloaded", reason, retryAfterMs: failure.retryAfterMs ?? null };
    case "badToolCall":
    case "notSupported":
    case "notFound":
    case "refused":
    case "budget":
    case "noRoute":
    case "cancelled":
    case "internal":
      return { kind: "neutral" };
  }
}
