/** fsm: the mind of a node. Pure; facts in, journal entries and commands out. Imports base only. */
export {
  renderDiagram,
  renderGuards,
  renderRemediations,
  renderStates,
  renderThresholds,
} from "./diagram.ts";
export { alertKeyOf, type Effect, effectsAtStart, effectsOf, HOLD_KEY } from "./effects.ts";
export {
  FAULT_MEASURES,
  type Facts,
  type Fault,
  type FaultKind,
  faultsOfEndpoints,
  faultsOfTasks,
  MAX_REQUEUES,
  type Means,
  QUIET,
  type SuspectTask,
} from "./facts.ts";
export { isWell } from "./healing-policy.ts";
export { apply, BY_ITSELF, type Deed, type Entry, historyOf, replay, type Stay } from "./journal.ts";
export { decodeEntry, decodeMind, encodeEntry, encodeMind } from "./journal-text.ts";
export {
  ACTIVE_STATES,
  type ActiveState,
  type Cause,
  type Episode,
  type EpisodeOutcome,
  FSM_STATES,
  type FsmState,
  type Hold,
  type Mind,
  newMind,
  type Pause,
  type Period,
  type Treatment,
  type Verdict,
} from "./mind.ts";
export { REMEDIATION_NAMES, REMEDIATIONS, type Remediation, type RemediationName, type Rule } from "./remediations.ts";
export {
  checkSettings,
  DEFAULT_RULES,
  DEFAULT_SETTINGS,
  type FsmRules,
  type FsmSettings,
  SETTING_BOUNDS,
  type SettingBounds,
} from "./settings.ts";
export { MAX_PAUSE_MS, MAX_REASON_CHARS, type MindEvent, type MindStep, step } from "./step.ts";
export { GUARDS, type GuardName, TRANSITIONS, type Transition } from "./transitions.ts";
