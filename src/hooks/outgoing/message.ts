/** What is sent: one notice, or several together. Pure. */
import { type JsonObject, redactText } from "#base";
import { greatestSeverity, type Notice, type Severity } from "./notice.ts";

export type OutgoingMessage = {
  /** The same for each try, so that whoever gets it twice can tell. */
  readonly id: string;
  readonly kind: string;
  readonly severity: Severity;
  readonly title: string;
  readonly text: string;
  readonly subject: string;
  readonly atMs: number;
  /** Which node says it. */
  readonly node: string;
  /** Of a message that stands for one notice, 1. */
  readonly count: number;
};

const MAX_TITLE_CHARS = 200;
const MAX_TEXT_CHARS = 4_000;
/** Lines of a digest; the rest is counted. */
const MAX_LINES = 20;
const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** @param notices at least one */
export function messageOf(id: string, node: string, notices: readonly Notice[]): OutgoingMessage | undefined {
  const [first] = notices;
  if (first === undefined) return undefined;
  if (notices.length === 1) {
    const { kind, severity, title, message, subject, atMs } = first;
    return {
      id,
      kind,
      severity,
      title: line(title),
      text: paragraph(message),
      subject: line(subject),
      atMs,
      node,
      count: 1,
    };
  }
  const shown = notices.slice(0, MAX_LINES).map(({ severity, title }) => `${severity}: ${line(title)}`);
  const more = notices.length > MAX_LINES ? [`and ${notices.length - MAX_LINES} more`] : [];
  return {
    id,
    kind: "digest",
    severity: greatestSeverity(notices.map(({ severity }) => severity)),
    title: `${notices.length} notices from ${line(node)}`,
    text: [...shown, ...more].join("\n"),
    subject: "",
    atMs: notices.at(-1)?.atMs ?? first.atMs,
    node,
    count: notices.length,
  };
}

/** The body of webhooks. */
export function bodyOf({ text, ...message }: OutgoingMessage): JsonObject {
  return { ...message, message: text };
}

function line(text: string): string {
  return redactText(text).replace(CONTROL, " ").trim().slice(0, MAX_TITLE_CHARS);
}

function paragraph(text: string): string {
  const clean = redactText(text).replace(CONTROL, (char) => (char === "\n" || char === "\t" ? char : ""));
  return clean.slice(0, MAX_TEXT_CHARS);
}
