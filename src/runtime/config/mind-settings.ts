/**
 * Settings of the mind. Names and bounds within a table are those of the machine itself, which the watchdog does not load
 * although it reads these settings; they are checked when a node starts, and by drover config check.
 */
import { z } from "zod";
import { setting } from "./setting.ts";

const numbers = z.record(
  z.string().regex(/^[a-z][a-z_]{0,39}$/, "use a name in small letters, such as disk_low"),
  z.int().min(0).max(Number.MAX_SAFE_INTEGER),
);
const MAX_FALLBACKS = 20;

export const MIND_SETTINGS = {
  "fsm.enabled": setting(z.boolean(), true, "let the mind of this node act; false: it rests and heals nothing"),
  "fsm.dwell_ms": setting(numbers, {}, "least time in a state, by its name, such as resting = 10000"),
  "fsm.deadline_ms": setting(numbers, {}, "longest time in a state, by its name, such as healing = 300000"),
  "fsm.entries_per_period": setting(numbers, {}, "how often a state is entered in fsm.pace.period_ms, by its name"),
  "fsm.enter_at": setting(numbers, {}, "level of a fault from which on it is healed, such as disk_low = 95"),
  "fsm.leave_at": setting(numbers, {}, "level down to which a fault must fall, such as disk_low = 90"),
  "fsm.healing": setting(numbers, {}, "limits of healing: window_ms, share_percent, episodes, fruitless, again_ms, …"),
  "fsm.pace": setting(numbers, {}, "period_ms, scan_every_ms, propose_every_ms, budget_percent"),
  "fsm.fallback_models": setting(
    z.array(z.string().min(1).max(200)).max(MAX_FALLBACKS),
    [],
    "models that answer while all endpoints of the others are down, best first; empty: none",
  ),
} as const;
