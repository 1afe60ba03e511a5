/** What Hono hands each handler of this API. */
import type { Context } from "hono";
import type { KnownNode } from "#fleet";
import type { ClientClass } from "./rate-limit.ts";

export type ApiBindings = {
  /** Address of the other end, "" when it is not known (tests). */
  readonly peerAddress: string;
  /** Lets the answer be silent for as long as it likes, or puts it under the server's idle timeout again. */
  readonly exemptFromIdleTimeout: (isExempt: boolean) => void;
};

export type ApiEnv = {
  Bindings: Partial<ApiBindings>;
  Variables: {
    /** Set by the guard once the token was found good. */
    clientClass: ClientClass;
    /** The node of the fleet that signed the request; undefined for the bearer of the token. */
    fleetNode: KnownNode | undefined;
    /** The body of a signed request, which had to be read before the request was believed. */
    signedBody: Uint8Array<ArrayBuffer> | undefined;
    /** The answer is signed for the request that has this nonce. */
    answerNonce: string | undefined;
  };
};

/** @returns what the server handed over; nothing when a request did not come through one. */
export function bindingsOf(c: Context<ApiEnv>): Partial<ApiBindings> {
  // `as`: hono leaves it undefined when `fetch` or `request` is called without it, and types it as always there.
  const given = c.env as Partial<ApiBindings> | undefined;
  return given ?? {};
}
