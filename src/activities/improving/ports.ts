/** What improving needs of the others, and of its store. */
import type { JsonObject, JsonValue, Result } from "#base";
import type { FactsCache, RegisteredChecks, ScanFinding, TrackedState } from "#repos";
import type { FindingSource, FindingState, KnownFinding, ScanRecord, Try, TryState } from "./improvement.ts";

/** A repository that may be improved. */
export type ImprovedRepository = { readonly name: string };

export interface ImprovedRepositories {
  /** Those that are active, the most important first. */
  list(): Promise<Result<readonly ImprovedRepository[]>>;
  /** Its main branch as it is now; without `anew` it may be what was seen a minute ago. */
  open(name: string, anew?: boolean): Promise<Result<TrackedState>>;
  /** The commands that a person registered for it. */
  checks(name: string): Result<RegisteredChecks>;
  /** What became of a goal's changes: the files, and whether they were taken back; null before the delivery. */
  delivered(
    name: string,
    goal: string,
  ): Promise<Result<{ readonly files: readonly string[]; readonly isReverted: boolean } | null>>;
  /** Kept between scans; an empty one where nothing was kept. */
  cache(name: string): FactsCache & { readonly keep: () => void };
}

/** The fields of a goal that are used here; a part of what goals take. */
export type NewGoal = {
  readonly title: string;
  readonly description: string;
  readonly priority: "critical" | "high" | "normal" | "low" | "background";
  readonly successCriteria: string[];
  readonly verify: JsonObject[];
  readonly repository: string | null;
  readonly budget: { readonly tokens: number | null; readonly costMicrodollars: number | null };
  readonly channel: "improver" | "mind";
  readonly labels: Readonly<Record<string, string>>;
  readonly idempotencyKey: string;
};

export interface GoalSubmissions {
  /** The same key again is the same goal. */
  submit(goal: NewGoal): Promise<Result<{ readonly id: string; readonly existed: boolean }>>;
}

export type GoalEnd = { readonly state: "complete" | "failed" | "cancelled"; readonly detail: string };

export interface GoalOutcomes {
  /** Null while it has not ended; `failed` with a reason when nobody knows it any more. */
  outcome(goal: string): Promise<Result<GoalEnd | null>>;
}

/** Work of the mind that the queue carries out. */
export interface MindTasks {
  /** The same key again is the same task. */
  submit(task: JsonObject & { readonly idempotencyKey: string }): Promise<Result<{ readonly id: string }>>;
  /** Null while it has not ended. */
  end(id: string): Promise<Result<MindTaskEnd | null>>;
}

export type MindTaskEnd = {
  readonly passed: boolean;
  /** What a model said last, or a command wrote. */
  readonly text: string | null;
  readonly error: string | null;
  readonly report: JsonValue;
};

/** Everything, or findings of these rules. What was not looked for is not gone. */
export type Looked = "all" | readonly string[];

/** A task that something waits for: asked for, answered, done with. */
export type Question = {
  /** Names it for good: what is asked, of what. */
  readonly key: string;
  readonly kind: "model-scan" | "tool-scan" | "propose";
  /** The repository; "" for the fleet. */
  readonly subject: string;
  readonly state: "asked" | "answered" | "given-up";
  /** 1, 2, 3: asked again with what was wrong. */
  readonly asks: number;
  readonly taskId: string | null;
  /** What the answer is judged by. */
  readonly about: JsonObject;
  readonly note: string | null;
  readonly atMs: number;
};

/** @returns the state of a repository that a question is about */
export function revisionOf({ about }: Pick<Question, "about">): string {
  const { revision } = about;
  return typeof revision === "string" ? revision : "";
}

export type FindingFilter = {
  readonly repository?: string;
  readonly states?: readonly FindingState[];
  readonly limit: number;
};

/**
 * Durable home of findings, tries and questions. Reads are immediate. A change is durable when it is answered; a failure
 * changed nothing.
 */
export interface ImprovementStore {
  scans(): Result<readonly ScanRecord[]>;
  /**
   * Takes in a look at a repository: findings that were seen are open (dismissed ones stay dismissed), those of the same
   * source that were not are gone, as far as `looked` says what was looked for. All or nothing.
   */
  record(scan: ScanRecord, source: FindingSource, seen: readonly ScanFinding[], looked: Looked): Promise<Result<void>>;
  /** Of findings that somebody saw to be gone. */
  markGone(repository: string, fingerprints: readonly string[]): Promise<Result<void>>;
  findings(filter: FindingFilter): Result<readonly KnownFinding[]>;
  /** By its fingerprint or the beginning of one, in whatever repository; two that fit are refused. */
  finding(fingerprint: string): Result<KnownFinding>;
  /** @returns the finding after it */
  dismiss(fingerprint: string, reason: string): Promise<Result<KnownFinding>>;
  /** Lets a dismissed one count again, and forgets failures. */
  reopen(fingerprint: string): Promise<Result<KnownFinding>>;

  tries(): Result<readonly Try[]>;
  /** Refused when the finding has an open one, or the number is taken. */
  begin(one: Try): Promise<Result<void>>;
  /** Guarded by the state it has. @returns whether it took effect */
  move(before: Pick<Try, "repository" | "fingerprint" | "n" | "state">, after: TryChange): Promise<Result<boolean>>;

  /** When all repositories were last looked through; null: never. */
  lookedAtMs(kind: "scan" | "propose"): Result<number | null>;
  putLook(kind: "scan" | "propose", atMs: number, detail: string): Promise<Result<void>>;
  questions(kind: Question["kind"]): Result<readonly Question[]>;
  /** In place of the one with its key. */
  putQuestion(question: Question): Promise<Result<void>>;
  /** Of ended tries and gone findings that are older. @returns how many rows */
  prune(beforeMs: number, limit: number): Promise<Result<number>>;
}

export type TryChange = {
  readonly state: TryState;
  readonly goal?: string;
  readonly files?: readonly string[];
  readonly why?: string;
  readonly endedAtMs?: number;
};
