import type { Migration } from "./migration.ts";
import { identityMigration } from "./node/0001-identity.ts";

/** The schema of node.db. */
export const NODE_MIGRATIONS: readonly Migration[] = [identityMigration];
