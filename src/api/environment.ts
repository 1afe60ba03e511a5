/** What Hono hands each handler of this API. */
import type { ClientClass } from "./rate-limit.ts";

export type ApiBindings = {
  /** Address of the other end, "" when it is not known (tests). */
  readonly peerAddress: string;
  /** Lets a response stay silent for longer than the server's idle timeout. */
  readonly keepOpen: () => void;
};

export type ApiEnv = {
  Bindings: Partial<ApiBindings>;
  Variables: {
    /** Set by the guard once the token was found good. */
    clientClass: ClientClass;
  };
};
