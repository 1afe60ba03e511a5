/**
 * Which findings become goals now. Pure, and explained: each finding that is left says why.
 *
 * AO1: at most `atOnce` tries are open, and at most `perRepository` of one repository.
 * AO2: a file that a try touches, or touched less than `coolDownMs` ago, is left alone by every other.
 * AO3: a change that was reverted twice is never tried again: neither the same finding nor the same rule for the same file.
 * AO4: after n failures in a row a finding rests for `backOffMs` × 2^(n-1), and after `maxFailures` until a person asks.
 * AO5: what is gone or dismissed is not tried.
 * AO6: a finding that came back `maxReturns` times after it was gone is not tried: somebody wants it there.
 * AO7: at most `perDay` tries are begun in any 24 hours, failed ones included.
 * AO8: one change for a file at a time: two findings of one file are never begun together.
 */
import { type Ranked, rankFindings, type ScanSeverity } from "#repos";
import { isTryOpen, type KnownFinding, type Try } from "./improvement.ts";

export type ChoiceRules = {
  readonly atOnce: number;
  readonly perRepository: number;
  readonly perDay: number;
  readonly coolDownMs: number;
  readonly backOffMs: number;
  readonly maxFailures: number;
  readonly maxReturns: number;
  /** Less is not worth a goal. */
  readonly leastScore: number;
};

export const MAX_REVERTS = 2;
const DAY_MS = 86_400_000;

export const DEFAULT_CHOICE_RULES: ChoiceRules = {
  atOnce: 3,
  perRepository: 1,
  perDay: 12,
  coolDownMs: 3 * DAY_MS,
  backOffMs: DAY_MS,
  maxFailures: 3,
  maxReturns: 2,
  leastScore: 1,
};

export type Choice = {
  readonly chosen: readonly (Ranked & { readonly finding: KnownFinding })[];
  /** By fingerprint: why it is not tried now. */
  readonly left: ReadonlyMap<string, string>;
};

/** @returns why no goal is made of it by itself; undefined for what may become one. */
function forPeople({ kind, rule }: Pick<KnownFinding, "kind" | "rule">): string | undefined {
  if (kind === "secret") return "it is for a person: no model may read it";
  if (kind === "missing-document" && rule === "license") {
    return "it is for a person: under which terms others may use this is no matter for a model";
  }
  return undefined;
}

/**
 * @param repositories those that may be worked on, the most important first
 * @param tries all that are kept, of whatever age
 */
export function choose(
  findings: readonly KnownFinding[],
  tries: readonly Try[],
  repositories: readonly string[],
  nowMs: number,
  rules: ChoiceRules,
): Choice {
  const left = new Map<string, string>();
  const chosen: (Ranked & { readonly finding: KnownFinding })[] = [];
  const history = new History(tries, nowMs, rules);
  const place = new Map(repositories.map((name, index) => [name, index]));
  const byKey = new Map(findings.map((finding) => [keyOf(finding), finding]));
  const ranked = rankFindings(findings)
    .flatMap((one) => {
      // `as`: ranked findings are those that were given.
      const finding = byKey.get(keyOf(one.finding as KnownFinding));
      return finding === undefined ? [] : [{ ...one, finding }];
    })
    .toSorted(
      (a, b) =>
        severe(b.finding.severity) - severe(a.finding.severity) || rank(place, a) - rank(place, b) || b.score - a.score,
    );
  for (const one of ranked) {
    const why = place.has(one.finding.repository)
      ? ((one.score < rules.leastScore ? `its score is below ${rules.leastScore}` : undefined) ??
        history.whyNot(one.finding))
      : "its repository is paused or not known any more";
    if (why === undefined) {
      history.begin(one.finding);
      chosen.push(one);
    } else left.set(keyOf(one.finding), why);
  }
  return { chosen, left };
}

export function keyOf({ repository, fingerprint }: Pick<KnownFinding, "repository" | "fingerprint">): string {
  return `${repository}\0${fingerprint}`;
}

/** What is broken goes before what could be nicer, in whatever repository. */
function severe(severity: ScanSeverity): number {
  return severity === "critical" || severity === "high" ? 1 : 0;
}

function rank(place: ReadonlyMap<string, number>, { finding }: { readonly finding: KnownFinding }): number {
  return place.get(finding.repository) ?? 0;
}

class History {
  readonly #nowMs: number;
  readonly #rules: ChoiceRules;
  readonly #tries: readonly Try[];
  #open: number;
  #begun: number;
  readonly #openOf = new Map<string, number>();
  /** Repository and file → until when it is left alone, and why. */
  readonly #files = new Map<string, { readonly untilMs: number; readonly why: string }>();

  constructor(tries: readonly Try[], nowMs: number, rules: ChoiceRules) {
    this.#nowMs = nowMs;
    this.#rules = rules;
    this.#tries = tries;
    this.#open = tries.filter(isTryOpen).length;
    this.#begun = tries.filter(({ chosenAtMs }) => chosenAtMs > nowMs - DAY_MS).length;
    for (const one of tries) {
      const isOpen = isTryOpen(one);
      if (isOpen) this.#openOf.set(one.repository, (this.#openOf.get(one.repository) ?? 0) + 1);
      const untilMs = isOpen ? Number.POSITIVE_INFINITY : (one.endedAtMs ?? one.chosenAtMs) + rules.coolDownMs;
      for (const file of one.files) this.#cool(one.repository, file, untilMs, isOpen);
    }
  }

  #cool(repository: string, file: string, untilMs: number, isOpen: boolean): void {
    if (file === "") return;
    const key = `${repository}\0${file}`;
    const known = this.#files.get(key);
    if (known !== undefined && known.untilMs >= untilMs) return;
    const why = isOpen ? `${file} is being changed` : `${file} was changed not long ago and is left alone until then`;
    this.#files.set(key, { untilMs, why });
  }

  whyNot(finding: KnownFinding): string | undefined {
    const { atOnce, perRepository, perDay, maxReturns } = this.#rules;
    if (finding.state !== "open") return `it is ${finding.state}`; // AO5
    const person = forPeople(finding);
    if (person !== undefined) return person;
    const own = this.#tries.filter(
      (one) => one.repository === finding.repository && one.fingerprint === finding.fingerprint,
    );
    if (own.some(isTryOpen)) return "it is being worked on";
    const reverted = this.#reverts(finding);
    if (reverted >= MAX_REVERTS) return `it was changed and taken back ${reverted} times (AO3)`;
    if (finding.returns >= maxReturns) return `it came back ${finding.returns} times: somebody wants it there (AO6)`;
    const resting = this.#resting(own);
    if (resting !== undefined) return resting;
    const cooling = this.#files.get(`${finding.repository}\0${finding.path}`);
    if (cooling !== undefined && cooling.untilMs > this.#nowMs) return `${cooling.why} (AO2)`;
    if ((this.#openOf.get(finding.repository) ?? 0) >= perRepository) {
      return `${perRepository} of its repository are worked on already (AO1)`;
    }
    if (this.#open >= atOnce) return `${atOnce} are worked on already (AO1)`;
    if (this.#begun >= perDay) return `${perDay} were begun within a day (AO7)`;
    return undefined;
  }

  /** Of the same finding, or of the same rule for the same file: a model may have changed the line it is known by. */
  #reverts({ repository, fingerprint, kind, rule, path }: KnownFinding): number {
    return this.#tries.filter(
      (one) =>
        one.repository === repository &&
        one.state === "reverted" &&
        (one.fingerprint === fingerprint ||
          (path !== "" && one.kind === kind && one.rule === rule && one.path === path)),
    ).length;
  }

  /** AO4 */
  #resting(own: readonly Try[]): string | undefined {
    const ended = own.filter(({ endedAtMs }) => endedAtMs !== null).toSorted((a, b) => a.n - b.n);
    let failures = 0;
    for (const { state } of ended) failures = state === "failed" || state === "reverted" ? failures + 1 : 0;
    const last = ended.at(-1);
    if (failures === 0 || last === undefined) return undefined;
    if (failures >= this.#rules.maxFailures)
      return `it failed ${failures} times in a row; a person may ask for it (AO4)`;
    const untilMs = (last.endedAtMs ?? last.chosenAtMs) + this.#rules.backOffMs * 2 ** (failures - 1);
    return untilMs > this.#nowMs
      ? `it failed and rests for ${Math.ceil((untilMs - this.#nowMs) / 60_000)} min (AO4)`
      : undefined;
  }

  begin({ repository, path }: KnownFinding): void {
    this.#open += 1;
    this.#begun += 1;
    this.#openOf.set(repository, (this.#openOf.get(repository) ?? 0) + 1);
    this.#cool(repository, path, Number.POSITIVE_INFINITY, true); // AO8
  }
}
