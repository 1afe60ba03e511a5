/** Entries and minds as JSON with a version, for the store; and back, without trust in who wrote them. */
import { err, type Failure, ok, type Result, terminal } from "#base";
import { FAULT_KINDS, MAX_TARGET_CHARS } from "./facts.ts";
import { MAX_TREATMENTS } from "./healing-policy.ts";
import { type Deed, type Entry, MAX_NAME_CHARS } from "./journal.ts";
import { CAUSES, EPISODE_OUTCOMES, FSM_STATES, type Mind, VERDICTS } from "./mind.ts";
import { choice, flag, list, nullable, type Reader, record, text, whole } from "./record-reader.ts";
import { REMEDIATION_NAMES } from "./remediations.ts";
import { MAX_EPISODES } from "./settings.ts";

/** Raised when a reader of this version could misunderstand what is written from then on. */
const VERSION = 2;
const FIRST_VERSION = 1;
/**
 * Kinds of entries that came later: an older release calls them those of a newer one, and leaves the journal alone, in
 * place of calling the journal damaged. All else is written as the first version, so that a way back stays open.
 */
const KNOWN_SINCE: Readonly<Partial<Record<Deed["kind"], number>>> = { holdOver: 2 };
const TARGET = text(MAX_TARGET_CHARS);
const WHO = text(MAX_NAME_CHARS);
/** Reasons of people are cut to 500; those of the mind name a target. */
const REASON = text(5_000);

const hold = record({ sinceMs: whole, reason: REASON, retryAtMs: nullable(whole) });

const DEEDS = {
  changed: record({
    from: choice(FSM_STATES),
    to: choice(FSM_STATES),
    cause: choice(CAUSES),
    reason: REASON,
    lastedMs: whole,
    deadlineMs: nullable(whole),
    restUntilMs: whole,
    healAgainMs: whole,
    periodSinceMs: whole,
    outcome: nullable(choice(EPISODE_OUTCOMES)),
    hold: nullable(hold),
  }),
  treated: record({
    fault: choice(FAULT_KINDS),
    target: TARGET,
    remediation: choice(REMEDIATION_NAMES),
    level: whole,
    untilMs: whole,
    isHandedOver: flag,
    onlyIfIdle: flag,
    forgetBeforeMs: whole,
  }),
  judged: record({ treatment: whole, verdict: choice(VERDICTS), level: whole }),
  paused: record({ reason: REASON, untilMs: nullable(whole) }),
  resumed: record({}),
  released: record({ isRetry: flag }),
  holdOver: record({ sinceMs: whole }),
  stoodStill: record({ missedMs: whole }),
} as const satisfies { readonly [Kind in Deed["kind"]]: Reader<Omit<Extract<Deed, { kind: Kind }>, "kind">> };

// `as`: the keys of DEEDS are the kinds, which the line above checks.
const KINDS = Object.keys(DEEDS) as Deed["kind"][];
const head = record({ kind: choice(KINDS), seq: whole, atMs: whole, by: WHO });

const mind: Reader<Mind> = record({
  state: choice(FSM_STATES),
  sinceMs: whole,
  cause: choice(CAUSES),
  reason: REASON,
  deadlineMs: nullable(whole),
  restUntilMs: whole,
  healAgainMs: whole,
  period: record({
    sinceMs: whole,
    entries: record({ executing: whole, improving: whole, contemplating: whole, healing: whole }),
  }),
  episodes: list(record({ startedMs: whole, endedMs: whole, outcome: choice(EPISODE_OUTCOMES) }), MAX_EPISODES),
  treatments: list(
    record({
      id: whole,
      fault: choice(FAULT_KINDS),
      target: TARGET,
      remediation: choice(REMEDIATION_NAMES),
      startedMs: whole,
      levelBefore: whole,
      untilMs: whole,
      verdict: nullable(choice(VERDICTS)),
      endedMs: nullable(whole),
    }),
    MAX_TREATMENTS,
  ),
  pause: nullable(record({ by: WHO, reason: REASON, sinceMs: whole, untilMs: nullable(whole) })),
  hold: nullable(hold),
  retriedAtMs: nullable(whole),
  seq: whole,
  atMs: whole,
});

/** @returns one line of JSON. */
export function encodeEntry(entry: Entry): string {
  return JSON.stringify({ v: KNOWN_SINCE[entry.kind] ?? FIRST_VERSION, ...entry });
}

/** @returns the entry, or a terminal failure that says what is wrong; of a newer version `newer_schema`. */
export function decodeEntry(line: string): Result<Entry> {
  return decoded(line, "an entry of the journal", (value, at) => {
    const read = head(value, at);
    if (!read.ok) return read;
    const deed = DEEDS[read.value.kind](value, at);
    // `as`: the fields were read by the reader of this very kind.
    return deed.ok ? ok({ ...deed.value, ...read.value } as Entry) : deed;
  });
}

/** @returns a mind as one line of JSON: what the journal before it came to, so that it need not be kept for ever. */
export function encodeMind(value: Mind): string {
  return JSON.stringify({ v: FIRST_VERSION, ...value });
}

/** @returns the mind, or a terminal failure as {@link decodeEntry}. */
export function decodeMind(line: string): Result<Mind> {
  return decoded(line, "the mind", mind);
}

function decoded<T>(line: string, what: string, reader: Reader<T>): Result<T> {
  const value = parsed(line);
  const version = record({ v: whole })(value, "");
  if (!version.ok) return err(unreadable(what, version.error));
  if (version.value.v > VERSION) {
    const message = `read ${what}: it is of version ${version.value.v}, and this release knows ${VERSION}`;
    return err(terminal("newer_schema", message, "Start the release that wrote it, or a newer one"));
  }
  const read = reader(value, "");
  return read.ok ? read : err(unreadable(what, read.error));
}

function unreadable(what: string, reason: string): Failure {
  return terminal("corrupt", `read ${what}: ${reason}`, "Restore a backup, or remove the journal to begin at rest");
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // Not JSON: the reader says that it is no object, which is all that can be done with it.
  }
}
