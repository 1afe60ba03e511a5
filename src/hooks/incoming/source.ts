/** Who may deliver webhooks to this node, and what is asked of them. */

export const SOURCE_KINDS = ["github", "gitea", "forgejo", "gitlab", "generic"] as const;
export type SourceKind = (typeof SOURCE_KINDS)[number];

export type WebhookSource = {
  /** Part of the address: `/api/webhooks/NAME`. */
  readonly name: string;
  readonly kind: SourceKind;
  /** `owner/name` in any case; events of others are ignored. Empty: of every one. */
  readonly repositories: readonly string[];
  /** Issues with this label become goals; null: none do. */
  readonly goalLabel: string | null;
  /** Whose issues and labels count. Empty: those of people whom the forge says to belong to the repository. */
  readonly senders: readonly string[];
  /** What a goal from one of them may use before a person is asked. */
  readonly goalTokens: number;
};
