/** Channels of the configuration as something that can send. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Clock, err, isInTheOpen, ok, type Result, refused, retryable } from "#base";
import {
  type Channel,
  type ChannelPolicy,
  type ChannelSender,
  jsonSender,
  mailSender,
  makeVapidKey,
  ntfySender,
  type PushSubscription,
  pushSender,
  type ReadSecret,
  webhookSender,
} from "#hooks";
import { type ChannelSetting, hasSecret } from "../config/notify-settings.ts";
import { writeDurably } from "../state-folder.ts";
import { readPrivate, readSecrets } from "./secret-file.ts";

/** In the state folder; made when it is needed first. */
export const VAPID_FILE = "web-push.key";

export type ChannelParts = { readonly stateDir: string; readonly clock: Clock };

export function openChannel(given: ChannelSetting, parts: ChannelParts): Channel {
  return { policy: policyOf(given), kind: given.kind, target: targetOf(given), sender: senderOf(given, parts) };
}

function policyOf({ name, kinds, severity, quiet, per_hour }: ChannelSetting): ChannelPolicy {
  return {
    name,
    kinds,
    leastSeverity: severity,
    quiet:
      quiet === undefined
        ? null
        : { fromMinute: minuteOf(quiet.from), toMinute: minuteOf(quiet.to), timezone: quiet.timezone },
    perHour: per_hour,
  };
}

function minuteOf(text: string): number {
  const [hour = "0", minute = "0"] = text.split(":");
  return Number(hour) * 60 + Number(minute);
}

/** The host alone: topics and paths of such addresses are known to those who may read or write there. */
function targetOf(given: ChannelSetting): string {
  switch (given.kind) {
    case "ntfy":
    case "http":
    case "webhook":
      return given.url === undefined ? `the address in ${given.url_file ?? ""}` : new URL(given.url).host;
    case "smtp":
      return `${given.to.join(", ")} by ${given.host}`;
    case "webpush":
      return `the browsers in ${given.subscriptions_file}`;
  }
}

/** Ports of RFC 6409 and RFC 8314. */
const MAIL_PORTS = { tls: 465, starttls: 587, none: 25 } as const;

function senderOf(given: ChannelSetting, { stateDir, clock }: ChannelParts): ChannelSender {
  switch (given.kind) {
    case "ntfy":
      return ntfySender({ url: addressOf(given), token: secretOf(given.token_file), priority: given.priority });
    case "http":
      return jsonSender({ url: addressOf(given), token: secretOf(given.token_file), template: given.template });
    case "webhook":
      return webhookSender({
        url: addressOf(given),
        secret: () => first(readSecrets(given.secret_file)),
        nowMs: () => clock.nowMs(),
      });
    case "smtp":
      return mailSender({
        host: given.host,
        port: given.port ?? MAIL_PORTS[given.security],
        security: given.security,
        user: given.user ?? null,
        password: secretOf(given.password_file),
        from: given.from,
        to: given.to,
        caFile: given.ca_file ?? null,
      });
    case "webpush":
      return pushSender({
        subscriptions: () => readSubscriptions(given.subscriptions_file),
        vapidKey: () => vapidKey(given.vapid_key_file, stateDir),
        contact: given.contact,
        allowPrivate: given.allow_private,
        nowMs: () => clock.nowMs(),
      });
  }
}

type Addressed = Extract<ChannelSetting, { readonly kind: "ntfy" | "http" | "webhook" }>;

function addressOf(given: Addressed) {
  const { url, url_file } = given;
  return (): Result<string> => {
    if (url !== undefined) return ok(url);
    const read = first(readPrivate(url_file ?? ""));
    if (read.ok && hasSecret(given) && isInTheOpen(read.value)) {
      const message = `the address in ${url_file ?? ""} is one of http, which others can read`;
      return err(refused("invalid", message, "Use https: a token or a signature goes with it"));
    }
    if (!read.ok || /^https?:\/\/[^\s@]+$/.test(read.value)) return read;
    return err(refused("invalid", `${url_file ?? ""} holds no address`, "Put the address alone into it, on one line"));
  };
}

function secretOf(file: string | undefined): ReadSecret {
  return () => (file === undefined ? ok(null) : first(readPrivate(file)));
}

function first(lines: Result<readonly string[]>): Result<string> {
  return lines.ok ? ok(lines.value[0] ?? "") : lines;
}

const MAX_SUBSCRIPTIONS = 100;
const key = z.string().regex(/^[A-Za-z0-9_-]{16,200}={0,2}$/);
const subscriptions = z
  .array(z.object({ endpoint: z.url().max(2_048), keys: z.object({ p256dh: key, auth: key }) }))
  .max(MAX_SUBSCRIPTIONS);

/** A list of what browsers give as `JSON.stringify(subscription)`. */
function readSubscriptions(file: string): Result<readonly PushSubscription[]> {
  const read = readPrivate(file);
  if (!read.ok) return read;
  try {
    const parsed = subscriptions.safeParse(JSON.parse(read.value.join("\n")));
    if (parsed.success) return ok(parsed.data);
  } catch {
    // Not JSON: said below, as for JSON of another shape.
  }
  return err(
    refused(
      "invalid",
      `${file} is no list of at most ${MAX_SUBSCRIPTIONS} subscriptions`,
      "See docs/operations/notifications.md",
    ),
  );
}

/** @returns the key in PEM; makes one in the state folder, when none is configured and none is there. */
export function vapidKey(file: string | undefined, stateDir: string): Result<string> {
  const path = file ?? join(stateDir, VAPID_FILE);
  try {
    if (file === undefined && !existsSync(path)) writeDurably(path, makeVapidKey());
    if (file !== undefined) {
      const read = readPrivate(file);
      if (!read.ok) return read;
    }
    return ok(readFileSync(path, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown fault";
    return err(retryable("unavailable", `the key for web push in ${path} cannot be used (${reason})`));
  }
}
