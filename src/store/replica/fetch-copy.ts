import { describeFailure, err, ok, type Result, refused, retryable } from "#base";
import type { Position } from "#fleet";
import { openReadOnly } from "../connection.ts";
import { readMeta } from "../meta.ts";
import { readPosition } from "../primary/position.ts";
import type { Carrier } from "./carrier.ts";
import { faultOf, removeCopy } from "./replica-files.ts";
import { ReplicaThread } from "./replica-thread.ts";

/**
 * Fetches the whole database from the hub into `path`, in the place of an earlier attempt that did not come to its end.
 * On failure nothing is left there. Refused as `conflict` when it is the database of another fleet.
 */
export async function fetchCopy(path: string, fleet: string, carrier: Carrier): Promise<Result<void>> {
  removeCopy(path);
  if (!(await carrier.reach())) return judge(path, fleet, err(retryable("unavailable", "the hub does not answer")));
  carrier.begin(undefined);
  const thread = new ReplicaThread();
  const fetched = await thread.open(path, carrier.url, carrier.token);
  await thread.end();
  const verdict = judge(path, fleet, fetched);
  if (!verdict.ok) removeCopy(path);
  return verdict;
}

function judge(path: string, fleet: string, fetched: Result<void>): Result<void> {
  if (!fetched.ok) {
    const message = `fetch the fleet's database from the hub: ${describeFailure(fetched.error)}`;
    return err(retryable("unavailable", message, "See whether the hub runs and can be reached from here"));
  }
  const fault = faultOf(path);
  if (fault !== undefined) return err(retryable("unavailable", `what the hub sent cannot be used: ${fault}`));
  if (uuidOf(path) === fleet) return ok(undefined);
  return err(
    refused("conflict", "the hub shows the database of another fleet", "Look at the hub: drover status there"),
  );
}

/** @returns how far a sound copy is. */
export function positionOf(path: string): Position | undefined {
  const connection = openReadOnly(path);
  try {
    return readPosition(connection);
  } finally {
    connection.close();
  }
}

/** @returns the fleet that a sound copy is of. */
export function uuidOf(path: string): string | undefined {
  const connection = openReadOnly(path);
  try {
    return readMeta(connection, "uuid");
  } finally {
    connection.close();
  }
}
