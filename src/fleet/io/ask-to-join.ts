import { err, isLoopback, type JsonValue, ok, type Result, refused, retryable } from "#base";
import type { JoinAnswer, JoinRequest, TokenText } from "../trust/join-token.ts";
import { fingerprintOf } from "../trust/keys.ts";
import { isFleetRole } from "../trust/roles.ts";
import { SIGNATURE_HEADER, verifyAnswer } from "../trust/signing.ts";
import { cryptography } from "./cryptography.ts";
import { type FetchFrom, fetchFrom, isRedirect, readBounded, readJson } from "./exchange.ts";

/** An answer to a request to join is some hundred bytes. */
const MAX_JOIN_ANSWER_BYTES = 64 * 1024;
const JOIN_DEADLINE_MS = 20_000;

/**
 * Sends a request to join. An answer is believed only under the key whose fingerprint the token carries (J2).
 * @returns a failure with the hub's own words when it refuses, `unavailable` when it is not reached
 */
export async function askToJoin(
  url: string,
  token: TokenText,
  request: JoinRequest,
  options: { readonly ca?: string; readonly fetch?: FetchFrom } = {},
): Promise<Result<JoinAnswer>> {
  const { fetch = fetchFrom, ca } = options;
  let status: number;
  let signature: string;
  let body: Result<Uint8Array>;
  try {
    const response = await fetch(`${url}/api/join`, {
      method: "POST",
      headers: new Headers({ "content-type": "application/json" }),
      bytes: new TextEncoder().encode(JSON.stringify(request)),
      signal: AbortSignal.timeout(JOIN_DEADLINE_MS),
      ca,
    });
    if (isRedirect(response.status)) {
      return err(
        refused("unsupported", `${url} sends this node elsewhere`, "Give the address that the hub has itself"),
      );
    }
    status = response.status;
    signature = response.headers.get(SIGNATURE_HEADER) ?? "";
    body = await readBounded(response, MAX_JOIN_ANSWER_BYTES);
  } catch (cause) {
    return err(unreached(url, cause));
  }
  if (!body.ok) return body;
  const value = readJson(body.value, url);
  if (!value.ok) return value;
  if (status !== 200) return err(refusal(url, status, value.value));
  const answer = readAnswer(value.value);
  const isGenuine =
    answer !== undefined &&
    cryptography.isEqual(fingerprintOf(answer.hub.publicKey, cryptography), token.fingerprint) &&
    verifyAnswer({ nonce: request.nonce, status, body: body.value }, signature, answer.hub.publicKey, cryptography);
  if (isGenuine) return ok(answer);
  const message = `${url} does not answer with the key of the hub that made the token`;
  return err(refused("invalid", message, "Check the address; another program, or another fleet, answers there"));
}

function unreached(url: string, cause: unknown): ReturnType<typeof retryable> {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const remedy = /certificate|altname/i.test(reason)
    ? "Name the authority that signed the certificate there in fleet.ca_file here; the certificate must be for that very address"
    : isLoopback(url)
      ? "This address means this very host. If the hub is another one, set http.host and fleet.url there and make a new token"
      : "See whether the hub runs and listens on that address: http.host there, and whatever filters on the way";
  return retryable("unavailable", `no answer from the hub at ${url}: ${reason}`, remedy);
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {}; // `as`: any object may be read by name
}

function refusal(url: string, status: number, body: JsonValue): ReturnType<typeof refused> {
  const { detail, remedy } = fieldsOf(body);
  const message = typeof detail === "string" ? `the hub refuses: ${detail}` : `${url} answered with status ${status}`;
  return refused(status === 409 ? "conflict" : "invalid", message, typeof remedy === "string" ? remedy : undefined);
}

function readAnswer(value: JsonValue): JoinAnswer | undefined {
  const { fleet, hub, role, epoch } = fieldsOf(value);
  const { id, name, url, publicKey } = fieldsOf(hub);
  const texts = [fleet, id, name, url, publicKey];
  if (!texts.every((text) => typeof text === "string") || !isFleetRole(role) || typeof epoch !== "number")
    return undefined;
  // `as`: every field was looked at just before, and the signature says that the hub wrote them.
  return value as unknown as JoinAnswer;
}
