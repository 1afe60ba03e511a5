/** What a scraper sees of the mind. */
import { FSM_STATES } from "#fsm";
import type { ApiPorts } from "./ports.ts";

/** Registers everything; figures are taken when somebody scrapes. */
export function publishMindMetrics({ metrics, mind }: ApiPorts): void {
  const state = metrics.gauge("drover_mind_state", "1 for the state that the mind is in");
  const since = metrics.gauge("drover_mind_state_seconds", "How long the mind has been in its state");
  const entries = metrics.gauge("drover_mind_entries", "Number of the last entry of the mind's journal");
  const faults = metrics.gauge("drover_mind_fault_level", "Worst level of a kind of fault, 0 when it is well");
  const treatments = metrics.gauge("drover_mind_treatments", "Remediations that are remembered, by verdict");
  const halted = metrics.gauge("drover_mind_halted", "1 while the mind is paused, on hold, or does not act");
  metrics.onScrape(async () => {
    const { mind: now, facts, nowMs, isEnabled, problem } = mind.standing();
    for (const gauge of [state, faults, treatments, halted]) gauge.clear();
    for (const each of FSM_STATES) state.set(each === now.state ? 1 : 0, { state: each });
    since.set(Math.max(0, nowMs - now.sinceMs) / 1_000);
    entries.set(now.seq);
    const levels = new Map<string, number>();
    for (const { kind, level } of facts.faults) levels.set(kind, Math.max(level, levels.get(kind) ?? 0));
    for (const [kind, level] of levels) faults.set(level, { fault: kind });
    const verdicts = new Map<string, number>();
    for (const { verdict } of now.treatments) {
      const name = verdict ?? "underWay";
      verdicts.set(name, (verdicts.get(name) ?? 0) + 1);
    }
    for (const [verdict, count] of verdicts) treatments.set(count, { verdict });
    halted.set(now.pause === null ? 0 : 1, { why: "paused" });
    halted.set(now.hold === null ? 0 : 1, { why: "hold" });
    halted.set(isEnabled && problem === null ? 0 : 1, { why: "off" });
  });
}
