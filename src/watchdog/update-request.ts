import { err, type JsonValue, ok, type Result, refused } from "#base";

/** What a person wants to be installed. */
export type UpdateRequest = {
  /** A path on this host or the URL of a manifest; null for the configured one. */
  readonly from: string | null;
  readonly allowOlder: boolean;
  /** Does not wait for the back-off of a version that failed. */
  readonly again: boolean;
  /** Who asks, for the history; null for a person. */
  readonly askedBy: string | null;
};

/** As much of it as a table shows. */
const MAX_ASKED_BY_CHARS = 300;

export function updateRequestOf(body: JsonValue): Result<UpdateRequest> {
  // `as`: any object may be read by name.
  const fields = typeof body === "object" && body !== null ? (body as Readonly<Record<string, JsonValue>>) : {};
  const { from = null, allowOlder = false, again = false, askedBy } = fields;
  if (from !== null && typeof from !== "string") return err(refused("invalid", "`from` is no text"));
  if (from !== null && !from.startsWith("/") && !from.includes("://")) {
    return err(
      refused("invalid", `${from} is no absolute path and no URL`, "Give the absolute path of a release folder"),
    );
  }
  return ok({
    from,
    allowOlder: allowOlder === true,
    again: again === true,
    askedBy: typeof askedBy === "string" ? askedBy.slice(0, MAX_ASKED_BY_CHARS) : null,
  });
}
