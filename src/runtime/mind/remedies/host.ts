/** What is done about a host, its databases and the nodes of a fleet. */
import { basename } from "node:path";
import { did, type Remedies, type Treatment } from "#activities";
import { err, FLEET_FILE, type NodeId, ok, type Result, refused } from "#base";
import type { Stores } from "#store";

export type HostRemedyParts = {
  readonly self: NodeId;
  readonly care: Stores["care"];
  /** Removes what can be done without, as while the disk is low. @returns rows that were removed */
  readonly prune: () => Promise<Result<number>>;
  /** Has this node replaced by a new process; undefined where nobody would start one. */
  readonly restartSelf: (() => void) | undefined;
  /** Has another node of the fleet restarted when it is heard of next; undefined where this node is no hub. */
  readonly restartOther: ((node: string) => Promise<Result<unknown>>) | undefined;
  /** Undefined where this node follows no hub. */
  readonly replica: { reattach(): Promise<void>; renew(why: string): void } | undefined;
};

type HostRemedies = Pick<
  Remedies,
  "checkpointDatabase" | "compactDatabase" | "prune" | "restartNode" | "reattachReplica" | "rebuildReplica"
>;

export function hostRemedies(parts: HostRemedyParts): HostRemedies {
  const { care, self } = parts;
  return {
    checkpointDatabase: async ({ target }) => {
      const bytes = care.checkpoint(target);
      return bytes.ok ? did(`the journal of ${target} was written back, ${bytes.value} bytes`) : bytes;
    },
    compactDatabase: async (treatment) => compact(parts, treatment),
    prune: async () => {
      const removed = await parts.prune();
      return removed.ok ? did(`${removed.value} rows of what had ended were removed`) : removed;
    },
    restartNode: async ({ target }) => {
      // A database or the memory of this host is this node's.
      if (target === self || care.names.includes(target)) {
        if (parts.restartSelf === undefined) {
          const remedy = "Start it with: drover up";
          return err(refused("unsupported", "this node has no watchdog, so nobody would start it again", remedy));
        }
        parts.restartSelf();
        return did("this node is replaced by a new process; attempts go on");
      }
      if (parts.restartOther === undefined) return err(refused("not_found", `${target} is not a node of this host`));
      const ordered = await parts.restartOther(target);
      return ordered.ok ? did(`${target} is restarted when it is heard of next`) : ordered;
    },
    reattachReplica: async () => {
      if (parts.replica === undefined) return err(noReplica());
      await parts.replica.reattach();
      return did("the thread that follows the hub begins anew");
    },
    rebuildReplica: async () => {
      if (parts.replica === undefined) return err(noReplica());
      parts.replica.renew("it did not come to what the hub has");
      return did("the copy of the fleet's database is fetched anew; reads go on with the old one until then");
    },
  };
}

/** Of a full disk every database may hold space that nothing uses. */
function compact({ care }: HostRemedyParts, { fault, target }: Treatment): Result<string> {
  const names = fault === "diskLow" ? care.names : [basename(target)];
  const done = names.map((name) => ({ name, bytes: care.compact(name) }));
  const failed = done.find(({ bytes }) => !bytes.ok);
  const freed = done.filter(({ bytes }) => bytes.ok);
  if (freed.length === 0 && failed?.bytes.ok === false) return failed.bytes;
  const said = freed.map(({ name, bytes }) => `${name} ${bytes.ok ? bytes.value : 0} bytes`).join(", ");
  return ok(`rewritten without unused space: ${said === "" ? FLEET_FILE : said}`);
}

function noReplica() {
  return refused("unsupported", "this node follows no hub");
}
