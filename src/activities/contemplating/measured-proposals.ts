/** Proposals that figures make by themselves. Each rule is a threshold with its reason, and says the figures it goes by. */
import { distributionOf } from "#telemetry";
import type { AttemptMeasure, Measurements } from "./measurements.ts";
import type { ProposalBody, ProposalDraft } from "./proposal.ts";

/** Fewer say nothing of a p95. */
const MIN_ATTEMPTS = 20;
/** Of what the others take, and in itself: less is no complaint. */
const FAR_ABOVE = 4;
const LONG_WAIT_MS = 60_000;
const BUSY_RATIO = 0.9;
const IDLE_RATIO = 0.1;
const OFTEN_DOWN_RATIO = 0.05;
const RETRIES_RATIO = 0.2;
const POOR_PASS_RATIO = 0.5;
const GIB = 1024 ** 3;
/** At this pace the disk is full in so many windows. */
const WINDOWS_LEFT = 8;
const MIN_GROWTH_BYTES = 64 * 1024 * 1024;
const MANY_DEAD = 10;
/** What one look proposes at most; the rest is seen again at the next. */
const MAX_DRAFTS = 20;

type Draft = Omit<ProposalBody, "dependencies" | "repository"> & {
  readonly about: string;
  readonly dependencies?: string[];
};

/** @param digest SHA-256 in hex */
export function measuredProposals(measured: Measurements, digest: (text: string) => string): readonly ProposalDraft[] {
  const drafts = [
    ...waits(measured),
    ...slowModels(measured),
    ...utilisation(measured),
    ...misfits(measured),
    ...endpoints(measured),
    ...retries(measured),
    ...tiers(measured),
    ...dead(measured),
    ...database(measured),
  ];
  return drafts.slice(0, MAX_DRAFTS).map(({ about, dependencies = [], ...body }) => ({
    body: { ...body, dependencies, repository: null },
    source: "measured",
    fingerprint: digest(`measured\0${about}`).slice(0, 16),
  }));
}

function groupsOf(attempts: readonly AttemptMeasure[], of: (one: AttemptMeasure) => string | null) {
  const groups = new Map<string, AttemptMeasure[]>();
  for (const one of attempts) {
    const key = of(one);
    if (key === null) continue;
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [one]);
    else known.push(one);
  }
  return [...groups].filter(([, members]) => members.length >= MIN_ATTEMPTS);
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
const percent = (ratio: number): string => `${Math.round(ratio * 100)} %`;

/** Work that waits longer than it runs wants more places, or other ones. */
function waits({ attempts }: Measurements): readonly Draft[] {
  return groupsOf(attempts, ({ executor, model }) => model ?? executor).flatMap(([name, members]): readonly Draft[] => {
    const wait = distributionOf(members.map(({ waitMs }) => waitMs));
    const run = distributionOf(members.map(({ durationMs }) => durationMs));
    if (wait.p95 < LONG_WAIT_MS || wait.p50 < run.p50) return [];
    return [
      {
        about: `wait ${name}`,
        kind: "bottleneck",
        title: `Work on ${name} waits longer than it runs`,
        problem: `Half of the attempts on ${name} waited ${seconds(wait.p50)} or more for a place and then ran ${seconds(run.p50)}.`,
        evidence: [
          `${members.length} attempts`,
          `wait p50 ${seconds(wait.p50)}, p95 ${seconds(wait.p95)}`,
          `run p50 ${seconds(run.p50)}, p95 ${seconds(run.p95)}`,
        ],
        suggestion: `Give ${name} more places: raise the slots of its endpoints, load it on a second endpoint, or let a smaller model of the chain take its easy tasks.`,
        effort: "small",
        risk: "low",
        riskWhy: "a setting that is taken back at any time; watch VRAM",
      },
    ];
  });
}

function slowModels({ attempts }: Measurements): readonly Draft[] {
  const groups = groupsOf(attempts, ({ model }) => model).map(([model, members]) => ({
    model,
    count: members.length,
    run: distributionOf(members.map(({ durationMs }) => durationMs)),
  }));
  return groups.flatMap(({ model, count, run }): readonly Draft[] => {
    const others = groups.filter((other) => other.model !== model).map((other) => other.run.p95);
    const typical = others.toSorted((a, b) => a - b)[Math.floor(others.length / 2)];
    if (typical === undefined || run.p95 < LONG_WAIT_MS || run.p95 < FAR_ABOVE * typical) return [];
    return [
      {
        about: `slow ${model}`,
        kind: "bottleneck",
        title: `${model} is far slower than the other models`,
        problem: `One attempt in twenty on ${model} takes ${seconds(run.p95)} or more, ${Math.round(run.p95 / Math.max(1, typical))} times as long as on the others.`,
        evidence: [
          `${count} attempts`,
          `p95 ${seconds(run.p95)}, p50 ${seconds(run.p50)}`,
          `p95 of the others ${seconds(typical)}`,
        ],
        suggestion: `Look at where the time goes (drover bottlenecks); a smaller quantisation, fewer tokens of context or another place in the chain may do.`,
        effort: "medium",
        risk: "medium",
        riskWhy: "answers of another model may be worse; compare pass rates before and after",
      },
    ];
  });
}

function utilisation({ nodes }: Measurements): readonly Draft[] {
  const known = nodes.filter(({ busyRatio }) => busyRatio !== null);
  const busy = known.filter(({ busyRatio }) => (busyRatio ?? 0) >= BUSY_RATIO);
  const idle = known.filter(({ busyRatio }) => (busyRatio ?? 1) <= IDLE_RATIO);
  if (busy.length === 0 || (busy.length < known.length && idle.length === 0)) return [];
  const said = (list: typeof known): string =>
    list
      .map(({ name, busyRatio }) => `${name} ${percent(busyRatio ?? 0)}`)
      .join(", ")
      .slice(0, 380);
  if (idle.length > 0) {
    return [
      {
        about: "uneven nodes",
        kind: "bottleneck",
        title: "Some nodes are full while others are idle",
        problem: `${busy.length} of ${known.length} nodes had no place left most of the time, and ${idle.length} had hardly anything to do.`,
        evidence: [`full: ${said(busy)}`, `idle: ${said(idle)}`],
        suggestion:
          "See what keeps work from the idle ones: missing models, labels that tasks require, cordons, slots.",
        effort: "small",
        risk: "low",
        riskWhy: "labels and models are taken back at any time",
      },
    ];
  }
  return [
    {
      about: "all nodes full",
      kind: "bottleneck",
      title: "Every node is full most of the time",
      problem: "There is more work than places on any node; what is added only waits longer.",
      evidence: [`busy: ${said(busy)}`],
      suggestion:
        "Join another box, raise limits where memory is left, or move work that can wait to the night by schedules.",
      effort: "medium",
      risk: "low",
      riskWhy: "a node that joins can leave again",
      dependencies: ["hardware, or memory that is left"],
    },
  ];
}

function misfits({ misfits: found }: Measurements): readonly Draft[] {
  return found.map(({ model, node, needBytes, haveBytes }) => ({
    about: `misfit ${model} ${node}`,
    kind: "bottleneck",
    title: `${model} does not fit the memory of ${node}`,
    problem: `A part of ${model} runs on the processor of ${node}, which is many times slower.`,
    evidence: [`needs ${(needBytes / GIB).toFixed(1)} GiB, has ${(haveBytes / GIB).toFixed(1)} GiB`],
    suggestion: `Use a smaller quantisation or less context for ${model} on ${node}, or let another node have it.`,
    effort: "small",
    risk: "low",
    riskWhy: "the model that is there stays until the other one is chosen",
  }));
}

function endpoints({ endpoints: found }: Measurements): readonly Draft[] {
  return found.flatMap(({ id, unhealthyRatio, models }): readonly Draft[] => {
    if (unhealthyRatio === null || unhealthyRatio < OFTEN_DOWN_RATIO) return [];
    const alone = models.filter((model) => found.every((other) => other.id === id || !other.models.includes(model)));
    return [
      {
        about: `down ${id}`,
        kind: "reliability",
        title: `Endpoint ${id} is often not well`,
        problem: `${id} did not answer its checks ${percent(unhealthyRatio)} of the time${alone.length === 0 ? "" : `, and nobody else has ${alone.slice(0, 3).join(", ")}`}.`,
        evidence: [`unhealthy ${percent(unhealthyRatio)} of the time`, `models nobody else has: ${alone.length}`],
        suggestion: `Find out why ${id} fails (memory, restarts, network)${alone.length === 0 ? "" : "; have a second endpoint offer its models"}.`,
        effort: "medium",
        risk: "low",
        riskWhy: "looking changes nothing",
      },
    ];
  });
}

function retries({ attempts }: Measurements): readonly Draft[] {
  return groupsOf(attempts, ({ model, executor }) => model ?? executor).flatMap(([name, members]): readonly Draft[] => {
    const causes = new Map<string, number>();
    for (const { outcome } of members) {
      if (outcome !== "passed" && outcome !== "cancelled") causes.set(outcome, (causes.get(outcome) ?? 0) + 1);
    }
    const total = [...causes.values()].reduce((sum, count) => sum + count, 0);
    if (total / members.length < RETRIES_RATIO) return [];
    const [worst = "failed", count = 0] = [...causes].toSorted((a, b) => b[1] - a[1])[0] ?? [];
    return [
      {
        about: `retries ${name} ${worst}`,
        kind: "reliability",
        title: `Many attempts on ${name} end ${worst}`,
        problem: `${percent(total / members.length)} of the attempts on ${name} did not pass; each is tried again and holds a place twice.`,
        evidence: [...causes].map(([cause, times]) => `${cause}: ${times} of ${members.length}`).slice(0, 6),
        suggestion:
          worst === "timed_out"
            ? "Raise the deadline of such tasks, or divide them: most were ended while they still worked."
            : worst === "lost"
              ? "Find out which node loses attempts (drover bottlenecks), and why its processes end."
              : `Look at what the ${count} failed ones said (drover dead list), and send such tasks to another model.`,
        effort: "medium",
        risk: "low",
        riskWhy: "deadlines and chains are taken back at any time",
      },
    ];
  });
}

function tiers({ tiers: found }: Measurements): readonly Draft[] {
  return found.flatMap(({ tier, models, attempts, judged, passed }): readonly Draft[] => {
    if (models === 0 && attempts > 0) {
      return [
        {
          about: `tier ${tier} empty`,
          kind: "coverage",
          title: `No model serves tasks of tier ${tier}`,
          problem: `${attempts} attempts asked for tier ${tier}, for which no endpoint has a model: they wait, or run on one that is not meant for it.`,
          evidence: [`${attempts} attempts of tier ${tier}`, "0 models"],
          suggestion: `Load a model for tier ${tier}, or name one that is there: tiers.${tier}.models.`,
          effort: "small",
          risk: "low",
          riskWhy: "a model more changes nothing for the others",
        },
      ];
    }
    if (judged < MIN_ATTEMPTS || passed / judged >= POOR_PASS_RATIO) return [];
    return [
      {
        about: `tier ${tier} poor`,
        kind: "coverage",
        title: `Tasks of tier ${tier} pass in less than half of the attempts`,
        problem: `Of ${judged} attempts of tier ${tier} that were verified, ${passed} passed: its models are too weak for what is asked of them.`,
        evidence: [`${passed} of ${judged} passed`, `${models} models`],
        suggestion: `Put a stronger model first in the chain of tier ${tier}, or divide such tasks.`,
        effort: "small",
        risk: "medium",
        riskWhy: "a stronger model is slower and may cost money",
      },
    ];
  });
}

function dead({ deadLetters }: Measurements): readonly Draft[] {
  return deadLetters
    .filter(({ count }) => count >= MANY_DEAD)
    .map(({ code, text, count }) => ({
      about: `dead ${code} ${text.slice(0, 80)}`,
      kind: "reliability",
      title: `${count} dead letters have the same cause`,
      problem: `Tasks end as dead letters for one reason: ${text.slice(0, 300)}`,
      evidence: [`${count} dead letters (${code})`],
      suggestion: "Mend the cause, then redrive them: drover dead list, drover dead redrive.",
      effort: "medium",
      risk: "low",
      riskWhy: "nothing is redriven by itself",
    }));
}

function database({ database: { bytes, beforeBytes, freeDiskBytes }, windowMs }: Measurements): readonly Draft[] {
  if (beforeBytes === null) return [];
  const growth = bytes - beforeBytes;
  if (growth < MIN_GROWTH_BYTES || growth * WINDOWS_LEFT < freeDiskBytes) return [];
  const days = Math.max(1, Math.round((freeDiskBytes / growth) * (windowMs / 86_400_000)));
  return [
    {
      about: "database growth",
      kind: "bottleneck",
      title: "The database fills the disk",
      problem: `At its present pace the fleet's database has used up the disk in about ${days} days.`,
      evidence: [
        `${(bytes / GIB).toFixed(2)} GiB now, ${(growth / GIB).toFixed(2)} GiB more than at the beginning of the window`,
        `${(freeDiskBytes / GIB).toFixed(1)} GiB free`,
      ],
      suggestion:
        "Keep ended tasks for a shorter time (queue.keep_done_ms), or move the state folder to a larger disk.",
      effort: "small",
      risk: "medium",
      riskWhy: "what retention removes is gone; take a backup first",
    },
  ];
}
