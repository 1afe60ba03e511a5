/** Channels that are browsers: web push (RFC 8030) to each subscription. */
import { randomBytes } from "node:crypto";
import { err, ok, type Result, refused, terminal } from "#base";
import type { OutgoingMessage } from "../message.ts";
import type { Severity } from "../notice.ts";
import type { ChannelSender, Sent } from "../notifier.ts";
import { hostOf, post, reasonOf } from "./http-call.ts";
import { encryptPush, MAX_PUSH_TEXT_BYTES, makeSenderKey, vapidHeader } from "./push-encryption.ts";

/** As a browser's `PushSubscription.toJSON()` gives it. */
export type PushSubscription = {
  readonly endpoint: string;
  readonly keys: { readonly p256dh: string; readonly auth: string };
};

export type PushOptions = {
  readonly subscriptions: () => Result<readonly PushSubscription[]>;
  /** PEM. */
  readonly vapidKey: () => Result<string>;
  /** `mailto:` or `https:`: whom a push service asks when something is wrong. */
  readonly contact: string;
  /**
   * Addresses of subscriptions come from browsers, not from the operator. Unless this says so, only https to a public
   * name is used.
   */
  readonly allowPrivate: boolean;
  readonly nowMs: () => number;
};

/** How long a push service keeps what it cannot deliver yet. */
const TTL_SECONDS = 86_400;
const URGENCY: Readonly<Record<Severity, string>> = { info: "low", warning: "normal", critical: "high" };

export function pushSender(options: PushOptions): ChannelSender {
  return {
    send: async (message): Promise<Sent> => {
      const subscriptions = options.subscriptions();
      if (!subscriptions.ok) return subscriptions;
      if (subscriptions.value.length === 0) return { ok: false, error: terminal("invalid", "nobody has subscribed") };
      const key = options.vapidKey();
      if (!key.ok) return key;
      const sent = await Promise.all(subscriptions.value.map((one) => pushTo(one, message, key.value, options)));
      return together(sent);
    },
  };
}

/** One that took it is enough: trying again would tell that one twice. */
function together(sent: readonly Sent[]): Sent {
  const failed = sent.filter((one) => !one.ok);
  const [first] = failed;
  if (first === undefined || failed.length < sent.length) return { ok: true };
  return failed.find(({ error }) => error.kind === "retryable") ?? first;
}

async function pushTo(
  subscription: PushSubscription,
  message: OutgoingMessage,
  vapidKey: string,
  options: PushOptions,
): Promise<Sent> {
  const origin = originOf(subscription.endpoint, options.allowPrivate);
  if (!origin.ok) return origin;
  const { contact } = options;
  let body: Uint8Array<ArrayBuffer>;
  let authorization: string;
  try {
    const keys = { receiver: decoded(subscription.keys.p256dh), secret: decoded(subscription.keys.auth) };
    body = encryptPush(textOf(message), keys, { salt: randomBytes(16), senderKey: makeSenderKey() });
    authorization = vapidHeader(vapidKey, { origin: origin.value, contact, nowMs: options.nowMs() });
  } catch (cause) {
    return { ok: false, error: terminal("invalid", `the keys of a subscription cannot be used (${reasonOf(cause)})`) };
  }
  const sent = await post({
    url: subscription.endpoint,
    headers: {
      authorization,
      "content-encoding": "aes128gcm",
      "content-type": "application/octet-stream",
      ttl: String(TTL_SECONDS),
      urgency: URGENCY[message.severity],
    },
    body,
  });
  if (sent.ok || sent.error.kind === "retryable") return sent;
  const host = hostOf(subscription.endpoint);
  return {
    ok: false,
    error: terminal("invalid", `${sent.error.message}. If the browser is gone, remove its subscription at ${host}`),
  };
}

/** Cut so that it fits into one message, at a whole character. */
function textOf({ title, text, severity, kind, subject, node, id }: OutgoingMessage): Uint8Array {
  const encoder = new TextEncoder();
  const whole = (message: string): Uint8Array =>
    encoder.encode(JSON.stringify({ title, message, severity, kind, subject, node, id }));
  let shown = text;
  let bytes = whole(shown);
  while (bytes.byteLength > MAX_PUSH_TEXT_BYTES && shown !== "") {
    const surplus = bytes.byteLength - MAX_PUSH_TEXT_BYTES;
    const kept = Math.max(0, shown.length - Math.max(1, Math.floor(surplus / 6)));
    // Not between the two halves of a character.
    shown = shown.slice(0, kept).replace(/[\ud800-\udbff]$/, "");
    bytes = whole(shown);
  }
  return bytes;
}

function originOf(endpoint: string, allowPrivate: boolean): Result<string> {
  let url: URL;
  try {
    url = new URL(endpoint);
  } catch {
    return err(refused("invalid", "the address of a subscription is none"));
  }
  const isPublic = url.protocol === "https:" && isPublicName(url.hostname);
  if (isPublic || (allowPrivate && /^https?:$/.test(url.protocol))) return ok(url.origin);
  const message = `the subscription at ${url.host} is not at a public https address`;
  return err(
    refused("invalid", message, "Remove it; or allow it with allow_private, when it is a push service of yours"),
  );
}

/** A name with a dot that is not one of a local network; no address. */
function isPublicName(host: string): boolean {
  return (
    /^[a-z0-9.-]+\.[a-z][a-z0-9-]*$/i.test(host) && !/\.(?:local|localhost|internal|lan|home|corp|arpa)$/i.test(host)
  );
}

function decoded(text: string): Uint8Array {
  return Buffer.from(text, "base64url");
}
