/** Repositories as people and programs see them. On the hub it is done here, elsewhere the hub is asked. */
import { z } from "zod";
import type { Result } from "#base";
import type { RepositoryInput } from "#repos";

const conditionSchema = z.object({
  /** `checks`: of the main branch, red; `conflict`: of a branch with the main one. */
  kind: z.enum(["checks", "conflict"]),
  subject: z.string(),
  failing: z.array(z.string()),
  detail: z.string(),
  commit: z.string(),
  atMs: z.int(),
});

export const repositoryViewSchema = z.object({
  name: z.string(),
  path: z.string().nullable(),
  url: z.string().nullable(),
  branch: z.string(),
  priority: z.int(),
  paused: z.boolean(),
  /** `configuration`: of the hub; `added`: at run time. */
  origin: z.enum(["configuration", "added"]),
  forge: z.object({ kind: z.string(), repository: z.string().nullable(), apiUrl: z.string().nullable() }),
  /** As it counts: what the repository says, else what holds for all. */
  autonomy: z.object({ atMost: z.string(), mergeBelow: z.int(), askFrom: z.int(), outside: z.string() }),
  checks: z.object({
    test: z.array(z.string()).nullable(),
    build: z.array(z.string()).nullable(),
    lint: z.array(z.string()).nullable(),
    afterMerge: z.boolean(),
  }),
  conditions: z.array(conditionSchema),
});
export type RepositoryView = z.output<typeof repositoryViewSchema>;

export const deliveryViewSchema = z.object({
  id: z.string(),
  repository: z.string(),
  goal: z.string(),
  branch: z.string(),
  base: z.string(),
  head: z.string(),
  outcome: z.enum(["merged", "pullRequest", "patch", "asks", "blocked"]),
  detail: z.string(),
  /** A pull request, or the file of a patch on the hub. */
  link: z.string().nullable(),
  /** Risk with its terms, rules, findings, checks. */
  report: z.record(z.string(), z.unknown()),
  atMs: z.int(),
  reverted: z.object({ atMs: z.int(), commit: z.string().nullable(), reason: z.string() }).nullable(),
});
export type DeliveryView = z.output<typeof deliveryViewSchema>;

export const assessmentSchema = z.object({
  repository: z.string(),
  branch: z.string(),
  base: z.string(),
  head: z.string(),
  tier: z.enum(["blocked", "ask", "pullRequest", "merge"]),
  report: z.record(z.string(), z.unknown()),
});
export type AssessmentView = z.output<typeof assessmentSchema>;

export const receiptSchema = z.object({
  outcome: z.enum(["merged", "pullRequest", "patch", "asks", "blocked"]),
  detail: z.string(),
  link: z.string().nullable(),
});
export type ReceiptView = z.output<typeof receiptSchema>;

/** What a person wants delivered. */
export type DeliveryWish = {
  readonly goal: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  /** How far it may go although its risk says otherwise. */
  readonly approved?: "pullRequest" | "merge" | undefined;
};

export interface RepositoryPort {
  list(): Promise<Result<readonly RepositoryView[]>>;
  find(name: string): Promise<Result<RepositoryView>>;
  /** Refused for a name that stands in the configuration; in place of an added one. */
  add(input: RepositoryInput): Promise<Result<RepositoryView>>;
  setPaused(name: string, paused: boolean): Promise<Result<RepositoryView>>;
  remove(name: string): Promise<Result<{ readonly name: string }>>;
  /** The newest first. */
  deliveries(name: string, limit: number): Promise<Result<readonly DeliveryView[]>>;
  /** What a delivery of the branch would be; publishes nothing. */
  risk(name: string, branch: string): Promise<Result<AssessmentView>>;
  /** Runs the checks of the main branch, and notes what is red. Refused where none are configured. */
  check(name: string): Promise<Result<RepositoryView>>;
  deliver(name: string, wish: DeliveryWish): Promise<Result<ReceiptView>>;
}
