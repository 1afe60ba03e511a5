import { z } from "zod";
import type { Tier } from "#hw";
import { count, DAY_MS, durationMs, setting } from "./setting.ts";

/** Written out: the watchdog reads the configuration too, and must stay small. */
const TIERS = ["trivial", "standard", "complex"] as const satisfies readonly Tier[];
/** A plan for each takes a model; more at once only wait for each other. */
const MAX_AT_ONCE = 100;

export const GOAL_SETTINGS = {
  "goals.at_once": setting(
    count(MAX_AT_ONCE),
    3,
    "goals that are worked on at once, not counting less urgent ones; each has at most 20 tasks in the queue",
  ),
  "goals.plan_tier": setting(z.enum(TIERS), "standard", "complexity of the tasks that plan goals and judge results"),
  "goals.home_lost_ms": setting(
    durationMs,
    DAY_MS,
    "how long the node that has the folder of a goal may be away before a hub after it gives the goal up, or begins it anew where nothing was done",
  ),
  "goals.inbox": setting(
    z.string().max(4_096),
    "",
    "folder whose Markdown, TOML and XML files become goals; empty: none",
  ),
  "goals.keep_ms": setting(durationMs, 90 * DAY_MS, "how long ended goals are kept"),
};
