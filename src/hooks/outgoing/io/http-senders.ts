/** Channels that are one HTTP request: ntfy, any JSON, and webhooks signed as drover signs. */
import type { JsonValue, Result } from "#base";
import { DELIVERY_HEADER, EVENT_HEADER, SIGNATURE_HEADER, signBody } from "../../signature.ts";
import { bodyOf, type OutgoingMessage } from "../message.ts";
import type { Severity } from "../notice.ts";
import type { ChannelSender, Sent } from "../notifier.ts";
import { fillTemplate } from "../template.ts";
import { post } from "./http-call.ts";

/** Read at each use, so that a new one counts at once; null where none is configured. */
export type ReadSecret = () => Result<string | null>;

/** 1 to 5, as https://docs.ntfy.sh/publish/#message-priority has them. */
const NTFY_PRIORITY: Readonly<Record<Severity, number>> = { info: 3, warning: 4, critical: 5 };
const NTFY_TAG: Readonly<Record<Severity, string>> = {
  info: "information_source",
  warning: "warning",
  critical: "rotating_light",
};

export type NtfyOptions = {
  /** Of the topic. */
  readonly url: () => Result<string>;
  readonly token: ReadSecret;
  /** Instead of the one that follows from the severity. */
  readonly priority: number | undefined;
};

export function ntfySender({ url, token, priority }: NtfyOptions): ChannelSender {
  return sending(url, token, (message) => ({
    headers: {
      // Header values are ASCII; ntfy reads RFC 2047.
      title: encodedWord(message.title),
      priority: String(priority ?? NTFY_PRIORITY[message.severity]),
      tags: NTFY_TAG[message.severity],
      "content-type": "text/plain; charset=utf-8",
    },
    body: message.text === "" ? message.title : message.text,
  }));
}

export type JsonOptions = {
  readonly url: () => Result<string>;
  /** Sent as `Authorization: Bearer`. */
  readonly token: ReadSecret;
  /** Undefined: the fields of the message. */
  readonly template: JsonValue | undefined;
};

export function jsonSender({ url, token, template }: JsonOptions): ChannelSender {
  return sending(url, token, (message) => ({
    headers: { "content-type": "application/json" },
    body: JSON.stringify(template === undefined ? bodyOf(message) : fillTemplate(template, message)),
  }));
}

export type WebhookOptions = {
  readonly url: () => Result<string>;
  readonly secret: () => Result<string>;
  readonly nowMs: () => number;
};

export function webhookSender({ url, secret, nowMs }: WebhookOptions): ChannelSender {
  return {
    send: async (message): Promise<Sent> => {
      const key = secret();
      const address = url();
      if (!key.ok) return key;
      if (!address.ok) return address;
      const body = JSON.stringify(bodyOf(message));
      const headers = {
        "content-type": "application/json",
        [EVENT_HEADER]: message.kind,
        [DELIVERY_HEADER]: message.id,
        [SIGNATURE_HEADER]: signBody(key.value, body, nowMs()),
      };
      return post({ url: address.value, headers, body });
    },
  };
}

function sending(
  url: () => Result<string>,
  token: ReadSecret,
  request: (message: OutgoingMessage) => { readonly headers: Readonly<Record<string, string>>; readonly body: string },
): ChannelSender {
  return {
    send: async (message): Promise<Sent> => {
      const bearer = token();
      const address = url();
      if (!bearer.ok) return bearer;
      if (!address.ok) return address;
      const { headers, body } = request(message);
      const authorization = bearer.value === null ? {} : { authorization: `Bearer ${bearer.value}` };
      return post({ url: address.value, headers: { ...headers, ...authorization }, body });
    },
  };
}

function encodedWord(text: string): string {
  return /^[\x20-\x7e]*$/.test(text) ? text : `=?UTF-8?B?${Buffer.from(text, "utf8").toString("base64")}?=`;
}
