/** What goes on by itself on a node, beside its work: retention and the mind. Begins with `start`. */
import { ok, type Result } from "#base";
import type { Pulse } from "#watchdog";
import { stalledLoop } from "../crash-point.ts";
import { type Maintenance, startMaintenance } from "../maintenance.ts";
import { realClock } from "../real-clock.ts";
import { type NodeMind, type OpenMindParts, openMind } from "./open-mind.ts";

export function openNodeMind(
  parts: Omit<OpenMindParts, "clock" | "prune" | "isStalled">,
): Result<Pick<NodeMind, "port" | "start" | "stop"> & { readonly pulses: () => readonly Pulse[] }> {
  const { engine, loaded } = parts;
  let maintenance: Maintenance | undefined;
  const mind = openMind({
    ...parts,
    clock: realClock,
    prune: () => maintenance?.pruneNow() ?? Promise.resolve(ok(0)),
    isStalled: stalledLoop(process.env) === "mind",
  });
  if (!mind.ok) return mind;
  return ok({
    port: mind.value.port,
    pulses: () => [...engine.pulses(), ...engine.pulsesOf(mind.value.service.turns)],
    start: () => {
      maintenance = startMaintenance({ ...parts, ...engine, clock: realClock }, loaded.config);
      mind.value.start();
    },
    stop: async () => {
      maintenance?.stop();
      await mind.value.stop();
    },
  });
}
