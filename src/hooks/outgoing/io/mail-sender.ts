/** Channels that are e-mail, by SMTP (RFC 5321) with STARTTLS or TLS. */
import { readFileSync } from "node:fs";
import { err, ok, type Result, refused, retryable, terminal } from "#base";
import type { OutgoingMessage } from "../message.ts";
import type { ChannelSender, Sent } from "../notifier.ts";
import { reasonOf } from "./http-call.ts";
import type { ReadSecret } from "./http-senders.ts";

export type MailOptions = {
  readonly host: string;
  readonly port: number;
  /** `starttls` is insisted on: a server that does not offer it is told nothing. */
  readonly security: "tls" | "starttls" | "none";
  readonly user: string | null;
  readonly password: ReadSecret;
  readonly from: string;
  readonly to: readonly string[];
  /** PEM file of the authorities that the server is checked against; null: those of the system. */
  readonly caFile: string | null;
};

/** Mail servers make strangers wait on purpose. */
const CONNECT_MS = 20_000;
const SILENCE_MS = 60_000;

export function mailSender(options: MailOptions): ChannelSender {
  return {
    send: async (message): Promise<Sent> => {
      const password = options.password();
      if (!password.ok) return password;
      const ca = authorities(options.caFile);
      if (!ca.ok) return ca;
      // Most nodes never send mail, and the library is some megabytes of a start.
      const { createTransport } = await import("nodemailer");
      const transport = createTransport({
        host: options.host,
        port: options.port,
        secure: options.security === "tls",
        requireTLS: options.security === "starttls",
        ignoreTLS: options.security === "none",
        connectionTimeout: CONNECT_MS,
        greetingTimeout: CONNECT_MS,
        socketTimeout: SILENCE_MS,
        // The library fetches whatever an attachment names; there are none here, and none are to come.
        disableFileAccess: true,
        disableUrlAccess: true,
        ...(ca.value === null ? {} : { tls: { ca: ca.value } }),
        ...(options.user === null ? {} : { auth: { user: options.user, pass: password.value ?? "" } }),
      });
      try {
        await transport.sendMail(mailOf(message, options));
        return { ok: true };
      } catch (cause) {
        return { ok: false, error: failureOf(cause, options.host) };
      } finally {
        transport.close();
      }
    },
  };
}

function mailOf(message: OutgoingMessage, { from, to }: MailOptions) {
  const { severity, title, text, node, kind, atMs, subject } = message;
  return {
    from,
    to: [...to],
    subject: `[drover ${severity}] ${title}`,
    text: [text, "", `node: ${node}`, `kind: ${kind}`, ...(subject === "" ? [] : [`about: ${subject}`])].join("\n"),
    date: new Date(atMs),
    // The same for each try: mail programs show one of two with the same id.
    messageId: `<${message.id}@${node.replace(/[^A-Za-z0-9.-]/g, "-")}.drover>`,
    // RFC 3834: nobody's absence is to be answered to a machine.
    headers: { "Auto-Submitted": "auto-generated" },
    ...(severity === "critical" ? { priority: "high" as const } : {}),
  };
}

function authorities(file: string | null): Result<string | null> {
  if (file === null) return ok(null);
  try {
    return ok(readFileSync(file, "utf8"));
  } catch (cause) {
    return err(refused("not_found", `cannot read ca_file ${file} (${reasonOf(cause)})`, "Check the path"));
  }
}

/** What a server says with 5yz stays so (RFC 5321, 4.2.1); what is wrong with the line does not. */
function failureOf(cause: unknown, host: string) {
  const answer = cause instanceof Error && "responseCode" in cause ? Number(cause.responseCode) : 0;
  const reason = answer > 0 ? `answered ${answer}` : `cannot be used (${reasonOf(cause)})`;
  const message = `the mail server ${host} ${reason}`;
  if (answer >= 500 && answer < 600) return terminal("invalid", `${message}. Check user, password and addresses`);
  return retryable("unavailable", message);
}
