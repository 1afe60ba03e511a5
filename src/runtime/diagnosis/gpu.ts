/** Whether the graphics cards can be asked, by the very sources that the node asks. */
import type { Clock } from "#base";
import type { Finding } from "#cli";
import { type CapacityProbes, hostProbes } from "#hw";
import { finding } from "./finding.ts";

export type GpuFacts = readonly {
  readonly source: string;
  /** A source that gave no answer at all within the limit hangs. */
  readonly answer: Awaited<ReturnType<CapacityProbes["gpuSources"][number]["read"]>> | { readonly kind: "silent" };
}[];

/** Each source ends its tool after 4 s; what does not end then is stuck in the kernel. */
export const GPU_LIMIT_MS = 10_000;

export function gpuFindings(facts: GpuFacts): readonly Finding[] {
  const found = facts.flatMap(({ source, answer }): readonly Finding[] => {
    switch (answer.kind) {
      case "absent":
        return [];
      case "silent": {
        const detail = `${source} gave no answer within ${GPU_LIMIT_MS / 1_000} s; the card or its driver may be lost`;
        return [finding("gpu", "warn", detail, `Try it by hand: ${source}; if it hangs, restart the host`)];
      }
      case "failed":
        return [
          finding("gpu", "warn", answer.note, `Until ${source} answers, cards are taken for unknown, not for none`),
        ];
      case "known":
        return [
          ...answer.gpus.map(({ name, vramBytes }) => finding("gpu", "ok", `${name}, ${memoryText(vramBytes)}`)),
          ...answer.notes.map((note) => finding("gpu", "warn", note)),
        ];
    }
  });
  return found.length > 0 ? found : [finding("gpu", "ok", "none is known to this host")];
}

function memoryText(vramBytes: number | null): string {
  return vramBytes === null ? "memory unknown" : `${Math.round(vramBytes / 1024 / 1024 / 1024)} GiB`;
}

export async function lookAtGpus(clock: Clock, limitMs = GPU_LIMIT_MS): Promise<GpuFacts> {
  const stop = new AbortController();
  const late = Promise.withResolvers<{ readonly kind: "silent" }>();
  const timer = clock.after(limitMs, () => late.resolve({ kind: "silent" }));
  const { gpuSources } = hostProbes({ clock });
  const facts = await Promise.all(
    gpuSources.map(async (source) => ({
      source: source.name,
      answer: await Promise.race([source.read(stop.signal), late.promise]),
    })),
  );
  timer.cancel();
  stop.abort();
  return facts;
}
