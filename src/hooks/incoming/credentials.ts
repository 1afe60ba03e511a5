/** Whether a webhook is from whom it says: each kind of sender proves it in its own way. */
import { hmacSha256, isSameSecret } from "../io/hmac.ts";
import { checkSignature, DELIVERY_HEADER, EVENT_HEADER, isSignedBy, SIGNATURE_HEADER } from "../signature.ts";
import type { SourceKind } from "./source.ts";

export type ReadHeader = (name: string) => string | undefined;

export type Claims = {
  readonly deliveryId: string | undefined;
  readonly event: string | undefined;
};

type Headers = { readonly event: readonly string[]; readonly delivery: readonly string[] };

/** The first of them that is there counts. Forgejo sends those of Gitea and of GitHub as well, Gitea those of GitHub. */
const HEADERS: Readonly<Record<SourceKind, Headers>> = {
  github: { event: ["x-github-event"], delivery: ["x-github-delivery"] },
  gitea: { event: ["x-gitea-event"], delivery: ["x-gitea-delivery"] },
  forgejo: { event: ["x-forgejo-event", "x-gitea-event"], delivery: ["x-forgejo-delivery", "x-gitea-delivery"] },
  // The key stays the same when GitLab tries again; the other one is new each time.
  gitlab: { event: ["x-gitlab-event"], delivery: ["idempotency-key", "x-gitlab-event-uuid"] },
  generic: { event: [EVENT_HEADER], delivery: [DELIVERY_HEADER] },
};

/** Longer ids and names of events are nobody's. */
const MAX_CLAIM_CHARS = 128;

/** What a sender says of its delivery, which is not signed. */
export function claimsOf(kind: SourceKind, header: ReadHeader): Claims {
  const first = (names: readonly string[]): string | undefined =>
    names
      .map((name) => header(name)?.trim())
      .find((value) => value !== undefined && value !== "" && value.length <= MAX_CLAIM_CHARS);
  return { deliveryId: first(HEADERS[kind].delivery), event: first(HEADERS[kind].event) };
}

export type Credentials = {
  readonly kind: SourceKind;
  readonly header: ReadHeader;
  readonly body: Uint8Array;
  /** Any of them may have signed. */
  readonly secrets: readonly string[];
  readonly nowMs: number;
  readonly toleranceMs: number;
};

/** @returns why it is not believed; undefined when it is. */
export function refusalOf({ kind, header, body, secrets, nowMs, toleranceMs }: Credentials): string | undefined {
  switch (kind) {
    case "github":
      return hmacRefusal(header, ["x-hub-signature-256"], body, secrets);
    case "gitea":
      return hmacRefusal(header, ["x-gitea-signature"], body, secrets);
    case "forgejo":
      return hmacRefusal(header, ["x-forgejo-signature", "x-gitea-signature"], body, secrets);
    case "gitlab":
      return tokenRefusal(header("x-gitlab-token"), secrets);
    case "generic": {
      const signature = header(SIGNATURE_HEADER);
      if (signature === undefined) return `there is no ${SIGNATURE_HEADER}`;
      const verdict = checkSignature(signature, body, secrets, { nowMs, toleranceMs });
      if (verdict === "good") return undefined;
      return verdict === "bad" ? "the signature is not of its secret" : "it was signed too long ago, or in the future";
    }
  }
}

function hmacRefusal(
  header: ReadHeader,
  names: readonly string[],
  body: Uint8Array,
  secrets: readonly string[],
): string | undefined {
  const given = names.map(header).find((value) => value !== undefined);
  if (given === undefined) return `there is no ${names[0] ?? "signature"}`;
  const match = /^(?:sha256=)?([0-9a-f]{64})$/.exec(given.trim());
  const isGood = isSignedBy([match?.[1] ?? ""], secrets, (secret) => hmacSha256(secret, body));
  return isGood ? undefined : "the signature is not of its secret";
}

/** GitLab does not sign: it sends the secret itself. */
function tokenRefusal(given: string | undefined, secrets: readonly string[]): string | undefined {
  if (given === undefined) return "there is no x-gitlab-token";
  let isGood = false;
  for (const secret of secrets) isGood = isSameSecret(given, secret) || isGood;
  return isGood ? undefined : "the token is not its secret";
}
