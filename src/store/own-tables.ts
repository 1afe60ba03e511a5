/** What each node keeps for itself, in node.db, whatever it is in a fleet. */
import { cryptography } from "#fleet";
import { LibsqlAlertStore } from "./alert-store.ts";
import { LibsqlAttemptBlobs } from "./attempt-blobs.ts";
import { LibsqlAuditStore } from "./audit-log.ts";
import { LibsqlCapacityHistory } from "./capacity-history.ts";
import type { Connection } from "./connection.ts";
import { LibsqlElectionStore } from "./election-note.ts";
import { openHookStores } from "./hooks/hook-stores.ts";
import { LibsqlJoinTokens } from "./join-tokens.ts";
import { LibsqlMindJournal } from "./mind-journal.ts";
import { LibsqlNodeSecrets } from "./node-secrets.ts";
import { LibsqlOutbox } from "./outbox.ts";

export function ownTables(node: Connection) {
  return {
    capacity: new LibsqlCapacityHistory(node),
    joinTokens: new LibsqlJoinTokens(node),
    secrets: new LibsqlNodeSecrets(node, cryptography),
    election: new LibsqlElectionStore(node),
    outbox: new LibsqlOutbox(node),
    attemptBlobs: new LibsqlAttemptBlobs(node),
    ...openHookStores(node),
    audit: new LibsqlAuditStore(node),
    alerts: new LibsqlAlertStore(node),
    mind: new LibsqlMindJournal(node),
  };
}
