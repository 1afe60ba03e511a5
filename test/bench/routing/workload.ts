/** The scenarios: who asks for what and when, and what happens to the machines meanwhile. */
import { type Random, seededRandom } from "#base";
import { logNormal, MODELS, type ModelSpec } from "./fleet.ts";
import type { Fate } from "./simulated-host.ts";

export type WorkloadRequest = {
  readonly id: number;
  /** When it arrives, or the time after all of `after` have ended. */
  readonly atMs: number;
  readonly after: readonly number[];
  readonly model: ModelSpec;
  readonly promptTokens: number;
  /** What its sender expects; the truth is in `outputTokens`. */
  readonly expectedTokens: number;
  readonly outputTokens: number;
  readonly noise: number;
};

export type Scenario = {
  readonly name: string;
  readonly requests: readonly WorkloadRequest[];
  readonly fates: Readonly<Record<string, Fate>>;
  readonly pollEveryMs: number;
  /** Between two announcements of a host: memory and names of its cards. */
  readonly announceEveryMs: number;
};

export const NO_FATE: Fate = { foreign: [], lost: null };
const POLL_MS = 3_000;
const STALE_POLL_MS = 60_000;
/** A third of the node's usual lease. */
const ANNOUNCE_MS = 20_000;
const REQUESTS = 200;

type Mix = readonly (readonly [ModelSpec, number])[];

const EVERYDAY: Mix = [
  [MODELS.tiny, 0.25],
  [MODELS.small, 0.45],
  [MODELS.middle, 0.2],
  [MODELS.large, 0.1],
];
const BIG: Mix = [
  [MODELS.large, 0.6],
  [MODELS.huge, 0.4],
];

/** Kinds of request: tokens of prompt, tokens of reply, share. */
const KINDS = [
  { promptTokens: 400, replyTokens: 80, share: 0.35 },
  { promptTokens: 1_500, replyTokens: 200, share: 0.45 },
  { promptTokens: 3_000, replyTokens: 600, share: 0.2 },
] as const;

/** Every scenario with one seed. */
export function scenarios(seed: number): readonly Scenario[] {
  const spanMs = (perSecond: number): number => (REQUESTS / perSecond) * 1000;
  const steady = (name: string, perSecond: number, mix: Mix, rest: Partial<Scenario> = {}): Scenario => ({
    name,
    requests: poisson(seededRandom(seed * 1_009 + nameSeed(name)), perSecond, mix),
    fates: {},
    pollEveryMs: POLL_MS,
    announceEveryMs: ANNOUNCE_MS,
    ...rest,
  });
  const busySpanMs = spanMs(0.3);
  return [
    steady("light", 0.1, EVERYDAY),
    steady("busy", 0.4, EVERYDAY),
    steady("one-model", 0.6, [[MODELS.small, 1]]),
    steady("big-model", 0.05, BIG),
    {
      name: "bursty-workflow",
      requests: workflows(seed),
      fates: {},
      pollEveryMs: POLL_MS,
      announceEveryMs: ANNOUNCE_MS,
    },
    steady("lost-host", 0.3, EVERYDAY, {
      fates: { rtx4090: { foreign: [], lost: { fromMs: 0.3 * busySpanMs, toMs: 0.7 * busySpanMs } } },
    }),
    steady("foreign-vram", 0.3, EVERYDAY, {
      fates: {
        rtx4090: { foreign: [{ fromMs: 0.2 * busySpanMs, toMs: 0.7 * busySpanMs, bytes: 18e9 }], lost: null },
      },
    }),
    steady("stale-polls", 0.3, EVERYDAY, { pollEveryMs: STALE_POLL_MS, announceEveryMs: STALE_POLL_MS }),
  ];
}

function poisson(random: Random, perSecond: number, mix: Mix): readonly WorkloadRequest[] {
  let atMs = 0;
  return Array.from({ length: REQUESTS }, (_, id) => {
    atMs += (-Math.log(1 - random.next()) / perSecond) * 1000;
    return drawn(random, id, atMs, [], pick(random, mix));
  });
}

/** Bursts: a plan by a large model, eight steps at once by smaller ones, and a summary after them. */
function workflows(seed: number): readonly WorkloadRequest[] {
  const random = seededRandom(seed * 1_009 + nameSeed("bursty-workflow"));
  const requests: WorkloadRequest[] = [];
  let atMs = 0;
  while (requests.length + 10 <= REQUESTS) {
    const plan = drawn(random, requests.length, atMs, [], MODELS.middle);
    requests.push(plan);
    const steps: number[] = [];
    for (let step = 0; step < 8; step++) {
      const id = requests.length;
      steps.push(id);
      requests.push(drawn(random, id, 200, [plan.id], random.next() < 0.75 ? MODELS.small : MODELS.tiny));
    }
    requests.push(drawn(random, requests.length, 200, steps, MODELS.large));
    atMs += 20_000 + random.next() * 60_000;
  }
  return requests;
}

function drawn(random: Random, id: number, atMs: number, after: readonly number[], model: ModelSpec): WorkloadRequest {
  const kind = pick(
    random,
    KINDS.map((each) => [each, each.share] as const),
  );
  const promptTokens = Math.min(3_800, Math.round(kind.promptTokens * logNormal(random, 0.4)));
  // The mean of the log-normal is what a sender who knows the kind expects.
  const sigma = 0.5;
  const outputTokens = Math.max(
    4,
    Math.round(kind.replyTokens * logNormal(random, sigma) * Math.exp((-sigma * sigma) / 2)),
  );
  const noise = logNormal(random, 0.05);
  return { id, atMs, after, model, promptTokens, expectedTokens: kind.replyTokens, outputTokens, noise };
}

function pick<T>(random: Random, choices: readonly (readonly [T, number])[]): T {
  let left = random.next() * choices.reduce((sum, [, share]) => sum + share, 0);
  for (const [choice, share] of choices) {
    left -= share;
    if (left < 0) return choice;
  }
  const last = choices.at(-1);
  if (last === undefined) throw new Error("nothing to pick from");
  return last[0];
}

function nameSeed(name: string): number {
  let seed = 0;
  for (let index = 0; index < name.length; index++) seed = (seed * 131 + name.charCodeAt(index)) % 1_000_003;
  return seed;
}
