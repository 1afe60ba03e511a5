/** How the mind of a node decides: its states, their limits, the ways between them, and what is done about faults. */
import { Hono } from "hono";
import { z } from "zod";
import { ACTIVE_STATES, DEFAULT_RULES, GUARDS, renderDiagram, TRANSITIONS } from "#fsm";
import type { ApiEnv } from "../environment.ts";
import { json, route } from "../route.ts";

const rulesSchema = z.object({
  /** A mermaid state diagram. */
  diagram: z.string(),
  states: z.array(z.object({ state: z.string(), atLeastMs: z.int(), atMostMs: z.int(), entriesPerPeriod: z.int() })),
  /** In the order in which they are tried; all guards of a row must hold. */
  transitions: z.array(z.object({ from: z.string(), to: z.string(), when: z.array(z.string()) })),
  guards: z.record(z.string(), z.string()),
  remediations: z.array(
    z.object({
      fault: z.string(),
      name: z.string(),
      enterAt: z.int(),
      leaveAt: z.int(),
      attempts: z.int(),
      withinMs: z.int(),
      coolDownMs: z.int(),
      mayInterrupt: z.boolean(),
    }),
  ),
});

const exampleRules: z.input<typeof rulesSchema> = {
  diagram: "stateDiagram-v2\n  [*] --> resting\n  resting --> executing: workReady",
  states: [{ state: "healing", atLeastMs: 15_000, atMostMs: 300_000, entriesPerPeriod: 8 }],
  transitions: [{ from: "resting", to: "executing", when: ["workReady"] }],
  guards: { workReady: "goals or their tasks are ready, and there is budget" },
  remediations: [
    {
      fault: "stuckTasks",
      name: "requeueTasks",
      enterAt: 3,
      leaveAt: 0,
      attempts: 3,
      withinMs: 3_600_000,
      coolDownMs: 10_000,
      mayInterrupt: false,
    },
  ],
};

export function mindRoutes() {
  return new Hono<ApiEnv>().get(
    "/api/hub/rules",
    route({
      tag: "node",
      summary: "How the mind decides: states, limits, transitions, and the remediations of each fault",
      responses: { 200: json("The rules", rulesSchema, exampleRules) },
    }),
    (c) => c.json(rules(), 200),
  );
}

function rules(): z.output<typeof rulesSchema> {
  const { settings, remediations } = DEFAULT_RULES;
  return {
    diagram: renderDiagram(),
    states: ACTIVE_STATES.map((state) => ({
      state,
      atLeastMs: settings.dwellMs[state],
      atMostMs: settings.deadlineMs[state],
      entriesPerPeriod: settings.entriesPerPeriod[state],
    })),
    transitions: TRANSITIONS.map(({ from, to, when }) => ({ from, to, when: [...when] })),
    guards: Object.fromEntries(Object.entries(GUARDS).map(([name, { says }]) => [name, says])),
    remediations: remediations.map(({ fault, name, attempts, withinMs, coolDownMs, mayInterrupt }) => ({
      fault,
      name,
      enterAt: settings.enterAt[fault],
      leaveAt: settings.leaveAt[fault],
      attempts,
      withinMs,
      coolDownMs,
      mayInterrupt,
    })),
  };
}
