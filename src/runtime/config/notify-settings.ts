/** Settings of what goes out to people and other programs. */
import { z } from "zod";
import { isInTheOpen } from "#base";
import type { Severity } from "#hooks";
import { setting } from "./setting.ts";

// Written out, and complete by its type: the watchdog reads these settings too, and loads no further rooms.
const SEVERITIES = { info: "info", warning: "warning", critical: "critical" } as const satisfies {
  readonly [S in Severity]: S;
};

const MAX_TEXT = 4_096;
const path = z.string().min(1).max(MAX_TEXT);
/** A password in an address would stand in logs and in the list of settings. */
const address = z
  .url({ protocol: /^https?$/ })
  .max(2_048)
  .refine((given) => {
    const url = URL.canParse(given) ? new URL(given) : undefined;
    return url?.username === "" && url.password === "";
  }, "must hold no user and password: use token_file, or url_file for an address that is secret");
const mailbox = z.string().regex(/^[^\s@<>]+@[^\s@<>]+$/, "write name@example.org");

const clockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "write it as 22:00");
const quiet = z.strictObject({
  from: clockTime,
  to: clockTime,
  timezone: z.string().max(64).refine(isTimezone, "is no time zone such as Europe/Berlin").default("UTC"),
});

function isTimezone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "";
  } catch {
    return false;
  }
}

const common = {
  name: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "use small letters, digits, dot, dash, underscore; at most 63"),
  kinds: z
    .array(z.string().regex(/^(\*|[a-z]+(\.\*|\.[a-zA-Z]+)?)$/, "write *, alert.* or goal.failed"))
    .min(1)
    .max(50)
    .default(["*"]),
  severity: z.enum(SEVERITIES).default("warning"),
  quiet: quiet.optional(),
  per_hour: z.int().min(1).max(3_600).default(20),
};

/** Either the address, or a file with it where the address itself is a secret. */
const whereTo = { url: address.optional(), url_file: path.optional() };

const channel = z
  .discriminatedUnion("kind", [
    z.strictObject({
      ...common,
      kind: z.literal("ntfy"),
      ...whereTo,
      token_file: path.optional(),
      priority: z.int().min(1).max(5).optional(),
    }),
    z.strictObject({
      ...common,
      kind: z.literal("http"),
      ...whereTo,
      token_file: path.optional(),
      template: z.json().optional(),
    }),
    z.strictObject({ ...common, kind: z.literal("webhook"), ...whereTo, secret_file: path }),
    z.strictObject({
      ...common,
      kind: z.literal("smtp"),
      host: z.string().min(1).max(255),
      port: z.int().min(1).max(65_535).optional(),
      security: z.enum(["tls", "starttls", "none"]).default("starttls"),
      user: z.string().min(1).max(255).optional(),
      password_file: path.optional(),
      ca_file: path.optional(),
      from: mailbox,
      to: z.array(mailbox).min(1).max(50),
    }),
    z.strictObject({
      ...common,
      kind: z.literal("webpush"),
      subscriptions_file: path,
      contact: z
        .string()
        .regex(/^(mailto:|https:\/\/)\S+$/, "write mailto:name@example.org")
        .max(255),
      vapid_key_file: path.optional(),
      allow_private: z.boolean().default(false),
    }),
  ])
  .refine(
    (one) => one.kind === "smtp" || one.kind === "webpush" || (one.url === undefined) !== (one.url_file === undefined),
    "needs url or url_file, and not both",
  )
  .refine(
    (one) => one.kind !== "smtp" || (one.user === undefined) === (one.password_file === undefined),
    "needs user and password_file, or neither",
  )
  .refine(
    (one) => one.kind !== "smtp" || one.user === undefined || one.security !== "none",
    "sends no password over a line that is not encrypted",
  )
  .refine(
    (one) => !("url" in one && one.url !== undefined && isInTheOpen(one.url) && hasSecret(one)),
    "sends its token, and what it signs, by https alone, or to this host",
  );

/** Whether more than the message is sent: something that opens a door elsewhere. */
export function hasSecret(one: { readonly token_file?: string | undefined; readonly secret_file?: string }): boolean {
  return (one.token_file ?? one.secret_file) !== undefined;
}

export type ChannelSetting = z.output<typeof channel>;

export const NOTIFY_SETTINGS = {
  "notify.channels": setting(
    z
      .array(channel)
      .max(32)
      .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, "names one twice"),
    [],
    "where people and other programs are told of alerts, goals, dead letters and nodes",
  ),
} as const;
