/** What a task asks of the node that runs it, as a text that equal tasks share, and whether a node has it. */

import { z } from "zod";
import { canonicalJson, type NodeId } from "#base";
import { NODE_LABEL } from "#goals";
import { canonicalModelName } from "#hw";

export type Requirements = {
  readonly executor: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly models: readonly string[];
  readonly vramBytes: number;
};

/** What a node can carry out. `vramBytes` is the memory of its largest graphics card, 0 without one. */
export type NodeOffer = {
  readonly node: NodeId;
  readonly name: string;
  readonly executors: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly models: readonly string[];
  readonly vramBytes: number;
  /** Why an executor is not offered, and what a person can do about it; null where time helps. */
  readonly absent?: Readonly<Record<string, { readonly reason: string; readonly remedy: string | null }>>;
};

const requirementsSchema = z.object({
  executor: z.string(),
  labels: z.record(z.string(), z.string()),
  models: z.array(z.string()),
  vramBytes: z.number(),
});

/** @returns the text under which the queue files tasks with these requirements; models in any order are equal, and models with and without the default tag. */
export function requirementsText(requirements: Requirements): string {
  return canonicalJson({
    executor: requirements.executor,
    labels: requirements.labels,
    models: [...new Set(requirements.models.map((name) => canonicalModelName(name)))].sort(),
    vramBytes: requirements.vramBytes,
  });
}

/**
 * @param text as made by {@link requirementsText}
 * @returns what the node lacks, one sentence each; empty when it can run such tasks. A text that cannot be read (made
 * by a newer drover) is something every node lacks.
 */
export function unmetRequirements(text: string, offer: NodeOffer): readonly string[] {
  const wanted = parseRequirements(text);
  if (wanted === undefined) return ["its requirements cannot be read by this version"];
  const lacking: string[] = [];
  const isAbsent = !offer.executors.includes(wanted.executor);
  if (isAbsent) lacking.push(offer.absent?.[wanted.executor]?.reason ?? `no executor ${wanted.executor}`);
  for (const [name, value] of Object.entries(wanted.labels)) {
    const has = name === NODE_LABEL ? offer.node : offer.labels[name];
    if (has !== value) lacking.push(`no label ${name}=${value}`);
  }
  for (const model of wanted.models) {
    // Without a server its models are no news.
    if (!isAbsent && !offer.models.some((offered) => canonicalModelName(offered) === canonicalModelName(model)))
      lacking.push(`no model ${model}`);
  }
  if (offer.vramBytes < wanted.vramBytes) {
    lacking.push(`${offer.vramBytes} bytes of VRAM, ${wanted.vramBytes} wanted`);
  }
  return lacking;
}

/** @returns what a person can do so that this node has the executor; undefined when nothing is known of it. */
export function absenceRemedy(text: string, offer: NodeOffer): string | null | undefined {
  const wanted = parseRequirements(text);
  return wanted === undefined || offer.executors.includes(wanted.executor)
    ? undefined
    : offer.absent?.[wanted.executor]?.remedy;
}

export function parseRequirements(text: string): Requirements | undefined {
  try {
    const parsed = requirementsSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    // Not JSON: the same as JSON of another shape.
    return undefined;
  }
}
