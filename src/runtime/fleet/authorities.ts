import { readFileSync } from "node:fs";
import { err, ok, type Result, refused } from "#base";

/** PEM of the authorities that https hubs are checked against; undefined: those of the system. */
export function readAuthorities(path: string): Result<string | undefined> {
  if (path === "") return ok(undefined);
  try {
    return ok(readFileSync(path, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return err(refused("invalid", `cannot read fleet.ca_file: ${reason}`, "Name a PEM file that this user can read"));
  }
}
