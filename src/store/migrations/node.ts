import type { Migration } from "./migration.ts";
import { identityMigration } from "./node/0001-identity.ts";
import { samplesMigration } from "./node/0002-samples.ts";
import { outboxMigration } from "./node/0003-fleet.ts";
import { quarantineMigration } from "./node/0004-quarantine.ts";
import { attemptBlobMigration } from "./node/0005-attempt-blobs.ts";
import { webhookMigration } from "./node/0006-webhooks.ts";
import { auditMigration } from "./node/0007-audit.ts";
import { alertMigration } from "./node/0008-alerts.ts";
import { mindMigration } from "./node/0009-mind.ts";
import { noticeMigration } from "./node/0010-notices.ts";

/** The schema of node.db. */
export const NODE_MIGRATIONS: readonly Migration[] = [
  identityMigration,
  samplesMigration,
  outboxMigration,
  quarantineMigration,
  attemptBlobMigration,
  webhookMigration,
  auditMigration,
  alertMigration,
  mindMigration,
  noticeMigration,
];
