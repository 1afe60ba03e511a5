/** Settings of what a node does when nothing is asked of it: improving repositories, thinking of proposals. */
import { z } from "zod";
import type { ProposalPolicy } from "#activities";
import { count, DAY_MS, durationMs, setting } from "./setting.ts";

// Written out, and complete by its type: the watchdog reads these settings too, and loads no further rooms.
const POLICIES = { ask: "ask", "low-risk": "low-risk" } as const satisfies { readonly [P in ProposalPolicy]: P };

export const IMPROVEMENT_SETTINGS = {
  "improving.at_once": setting(
    z.int().min(0).max(100),
    3,
    "findings that are worked on at once; 0: none becomes a goal",
  ),
  "improving.per_repository": setting(count(100), 1, "of these, of one repository"),
  "improving.per_day": setting(z.int().min(0).max(1_000), 12, "findings that are begun in 24 hours"),
  "improving.cool_down_ms": setting(durationMs, 3 * DAY_MS, "how long a file is left alone after it was changed"),
  "improving.back_off_ms": setting(durationMs, DAY_MS, "rest of a finding after it failed; doubles with each time"),
  "improving.run_commands": setting(
    z.boolean(),
    true,
    "run a repository's own tests, checks and audits as sandboxed tasks to see what fails",
  ),
  "improving.model_looks_per_day": setting(
    z.int().min(0).max(1_000),
    4,
    "questions to a model about code in 24 hours; 0: none",
  ),
  "contemplating.policy": setting(
    z.enum(POLICIES),
    "ask",
    "ask: a person approves each proposal; low-risk: small ones of low risk in a repository become goals by themselves",
  ),
  "contemplating.max_open": setting(count(1_000), 30, "proposals that wait for a person; with more, none is made"),
  "contemplating.rejected_rest_ms": setting(
    durationMs,
    90 * DAY_MS,
    "how long what was rejected is not proposed again",
  ),
  "contemplating.model_looks_per_day": setting(
    z.int().min(0).max(100),
    1,
    "questions to a model about what would help, in 24 hours; 0: none",
  ),
} as const;
