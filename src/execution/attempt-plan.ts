/** What a node decides about an attempt before it starts: how its commands are confined, and by which models it is done. */
import type { EndpointKind, Tier } from "#hw";
import type { RequestContext } from "#inference";
import type { LoopLimits } from "./loop/loop-limits.ts";
import type { SandboxLimits } from "./sandbox/launch-order.ts";
import type { CommandsRefused, SandboxMode, SandboxSupport } from "./sandbox/policy.ts";

/** How the commands of an attempt are confined. */
export type SandboxPlan = {
  readonly mode: SandboxMode;
  /** Why this node starts no command of a task, and what to do; null when it does. */
  readonly commandsRefused: CommandsRefused | null;
  /** What this host was found to enforce; looked at once by the node. */
  readonly support: SandboxSupport;
  /** Hosts that commands may reach through the proxy; null for no network at all. */
  readonly allowedHosts: readonly string[] | null;
  /** As whom commands run when drover is root: a name or a number. */
  readonly user: string;
  readonly limits: SandboxLimits;
  /** Names of variables that reach commands although they look like secrets: the operator named them. */
  readonly passedVariables: readonly string[];
};

/** Models that a worker may name for one reply: a task's own, or the longest chain of a tier with room to spare. */
export const MAX_REQUEST_MODELS = 20;

/** By which models a prompt is carried out, and within which limits. */
export type ModelPlan = {
  readonly tier: Tier;
  /** That the task was classified as; experience may begin elsewhere. */
  readonly classifiedTier: Tier;
  /** Why this tier, for the record. */
  readonly tierReason: string;
  /** Models in order of preference; empty leaves them to the tier. */
  readonly models: readonly string[];
  /** Of these, those that the task itself names. */
  readonly namedModels: readonly string[];
  readonly kinds: readonly EndpointKind[];
  readonly allowSpill: boolean;
  /** The task's lane: among requests that wait for a model, the more urgent goes first. */
  readonly priority: NonNullable<RequestContext["priority"]>;
  readonly contextTokens: number;
  readonly limits: LoopLimits;
  /** Times a failed verification goes back to the model. */
  readonly corrections: number;
  /** Where the loop is kept, so that the next attempt goes on when this worker is lost. */
  readonly checkpointPath: string;
  /** An installed `claude` command that carries the prompt out instead of the tool loop; null for the loop. */
  readonly claudeCommand: string | null;
  /** The goal that the task belongs to; its replies are accounted to it. */
  readonly goal: string | null;
};
