/**
 * Whether conversations could be cut without a word. Ollama takes a prompt that is longer than a model's context by
 * dropping its beginning. drover names the context that it needs, so its own requests are safe; a model that is loaded
 * with less is loaded anew for them, and programs that name none get the short one.
 */
import type { Finding } from "../environment.ts";
import { type Endpoint, finding, type Hardware } from "./node-findings.ts";

const GIB = 1024 ** 3;
/** Ollama's contexts where nobody chose one, by the memory of all cards (envconfig/config.go, ollama fb30760). */
const DEFAULTS = [
  { belowBytes: 23 * GIB, tokens: 4_096 },
  { belowBytes: 47 * GIB, tokens: 32_768 },
  { belowBytes: Number.POSITIVE_INFINITY, tokens: 262_144 },
] as const;

/** @param wantedTokens `limits.context_tokens`: what a conversation of drover is kept within */
export function contextFindings(
  endpoints: readonly Endpoint[],
  wantedTokens: number,
  gpus: Hardware["gpus"],
): readonly Finding[] {
  return endpoints
    .filter(({ health }) => health === "healthy")
    .flatMap((endpoint) => [...shortModels(endpoint, wantedTokens), ...shortlyLoaded(endpoint, wantedTokens, gpus)]);
}

function shortModels({ id, models }: Endpoint, wantedTokens: number): readonly Finding[] {
  const short = models.filter(({ contextLength }) => contextLength !== null && contextLength < wantedTokens);
  const [first] = short;
  // Only when no model there would do: a small one beside others is not asked.
  if (first === undefined || short.length < models.length) return [];
  const detail = `no model there was made for ${wantedTokens} tokens of context; ${first.name} was for ${first.contextLength}`;
  const remedy = `Pull one with a longer context, or set limits.context_tokens to ${first.contextLength} or less`;
  return [finding(`context ${id}`, "warn", detail, remedy)];
}

function shortlyLoaded(endpoint: Endpoint, wantedTokens: number, gpus: Hardware["gpus"]): readonly Finding[] {
  const { id, kind, loaded } = endpoint;
  if (kind !== "ollama") return [];
  const remedy = `Start that server with OLLAMA_CONTEXT_LENGTH=${wantedTokens}, or lower limits.context_tokens`;
  const known = loaded.filter(({ isExpected, contextLength }) => !isExpected && contextLength !== null);
  const short = known.filter(({ contextLength }) => contextLength !== null && contextLength < wantedTokens);
  const [first] = short;
  if (first !== undefined) {
    const detail =
      `${first.name} is loaded with ${first.contextLength} tokens of context, and drover asks for ${wantedTokens}: ` +
      "it is loaded anew each time, and longer prompts of other programs are cut";
    return [finding(`context ${id}`, "warn", detail, remedy)];
  }
  const usual = known.length > 0 ? null : defaultTokens(endpoint, gpus);
  if (usual === null || usual >= wantedTokens) return [];
  const detail =
    `with this much memory of cards, Ollama gives models ${usual} tokens of context unless it was told otherwise, and ` +
    `drover asks for ${wantedTokens}: longer prompts of programs that name none are cut`;
  return [finding(`context ${id}`, "warn", detail, remedy)];
}

/** @returns null where the memory of its cards is not known. */
function defaultTokens({ isLocal, vramBytes }: Endpoint, gpus: Hardware["gpus"]): number | null {
  const sizes = gpus.map((gpu) => gpu.vramBytes);
  const local =
    isLocal && sizes.every((size) => size !== null) ? sizes.reduce<number>((sum, size) => sum + size, 0) : null;
  const bytes = vramBytes ?? local;
  return bytes === null ? null : (DEFAULTS.find(({ belowBytes }) => bytes < belowBytes)?.tokens ?? null);
}
