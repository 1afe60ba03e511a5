/** The product's router, with the product's books. It is told what a node can know, and learns the rest. */
import { seededRandom } from "#base";
import type { EndpointDirectory, EndpointState } from "#hw";
import { hardwareOf } from "../../../src/runtime/models/hardware-class.ts";
import type { RouteRequest } from "../../../src/scheduler/route.ts";
import { ExpectedCompletionRouter } from "../../../src/scheduler/router.ts";
import { SlotBook } from "../../../src/scheduler/slot-book.ts";
import { SpeedBook } from "../../../src/scheduler/speed-book.ts";
import { NO_OWN_HOST } from "./node-fit.ts";
import type { Policy, PolicyMaker } from "./policy.ts";
import { Simulation } from "./simulation.ts";
import { scenarios } from "./workload.ts";

/** Where the router's books begin. */
type Knowledge = {
  readonly name: string;
  /** Whether it hears what hosts announce: memory, names of cards. */
  readonly hears: boolean;
  /** Figures learned before, by seed. */
  readonly learned: (seed: number) => Books | null;
  /** Books to learn into; new ones when left out. */
  readonly books?: Books;
};

type Books = { readonly speeds: SpeedBook; readonly slots: SlotBook };

function expectedCompletion({ name, hears, learned, books }: Knowledge): PolicyMaker {
  return {
    name,
    make: (visible) => {
      const { clock, fit, lookahead, seed } = visible;
      const directory = hears ? visible.directory : unannounced(visible.directory);
      const speeds = books?.speeds ?? new SpeedBook((id) => hardwareOf(id, NO_OWN_HOST, directory));
      const slots = books?.slots ?? new SlotBook();
      const before = learned(seed);
      if (before !== null) {
        speeds.fromRows(before.speeds.toRows());
        slots.fromRows(before.slots.toRows());
      }
      const random = seededRandom(seed);
      const router = new ExpectedCompletionRouter({ directory, clock, random, fit, lookahead, speeds, slots });
      return policyOf(router);
    },
  };
}

/** The same endpoints as a node sees them that nobody announces anything to. */
function unannounced(directory: EndpointDirectory): EndpointDirectory {
  const bare = ({ announcement: _heard, ...state }: EndpointState): EndpointState => state;
  return {
    states: () => directory.states().map(bare),
    state: (id) => {
      const state = directory.state(id);
      return state === undefined ? undefined : bare(state);
    },
    begin: (endpoint, model, contextTokens) => directory.begin(endpoint, model, contextTokens),
    lacks: (endpoint, model, capability) => directory.lacks(endpoint, model, capability),
    missing: (endpoint, model) => directory.missing(endpoint, model),
  };
}

function policyOf(router: ExpectedCompletionRouter): Policy {
  return {
    choose: (request, excluded) => {
      const { chosen, candidates } = router.route({ ...BLANK, ...asked(request), excluded });
      if (chosen === null) return null;
      const terms = candidates[0]?.terms ?? null;
      const predictedMs = terms === null ? null : terms.waitMs + terms.loadMs + terms.prefillMs + terms.decodeMs;
      const { endpoint, contextTokens } = chosen;
      return { endpoint, predictedMs, ...(contextTokens === null ? {} : { contextTokens }) };
    },
    ended: (request, choice, ended, totalMs) => {
      router.observed({
        endpoint: choice.endpoint,
        model: request.model.name,
        session: null,
        contextTokens: choice.contextTokens ?? request.model.contextTokens,
        promptTokens: request.promptTokens,
        completionTokens: request.outputTokens,
        loadMs: ended.loadMs,
        prefillMs: ended.prefillMs,
        decodeMs: ended.decodeMs,
        totalMs,
        predictedMs: choice.predictedMs,
      });
    },
  };
}

/** Books begin empty; hosts announce themselves. What a node has whose fleet announces to it from the first minute. */
export const ours = expectedCompletion({ name: "ours", hears: true, learned: () => null });

/** The same with nothing announced: a node over bare servers, which knows no memory and no card. */
export const oursUnannounced = expectedCompletion({ name: "ours, unannounced", hears: false, learned: () => null });

/** Books as they were left by another workload on the same machines: every day but the first. */
export const oursNextDay = expectedCompletion({
  name: "ours, next day",
  hears: true,
  learned: (seed) => learnedOn(seed),
});

/** Seeds of workloads that are only learned from, far from those that are measured. */
const LEARNING_SEED_OFFSET = 100_000;
const learnedRows = new Map<number, Books>();

/** The machines keep their hidden factors (they go by `seed`); the requests are of another seed. */
function learnedOn(seed: number): Books {
  const known = learnedRows.get(seed);
  if (known !== undefined) return known;
  const books: Books = { speeds: new SpeedBook(), slots: new SlotBook() };
  const learning = expectedCompletion({ name: "learning", hears: true, learned: () => null, books });
  const busy = scenarios(seed + LEARNING_SEED_OFFSET).find(({ name }) => name === "busy");
  if (busy !== undefined) new Simulation(busy, seed, learning).run();
  learnedRows.set(seed, books);
  return books;
}

const BLANK = {
  tier: null,
  kinds: ["ollama"],
  needs: [],
  session: null,
  // Every policy here may spill; what it costs is for the router to find out.
  allowSpill: true,
} as const satisfies Partial<RouteRequest>;

function asked(request: {
  readonly model: { readonly name: string; readonly contextTokens: number };
  readonly promptTokens: number;
  readonly expectedTokens: number;
}): Pick<RouteRequest, "models" | "promptTokens" | "outputTokens" | "contextTokens"> {
  return {
    models: [request.model.name],
    promptTokens: request.promptTokens,
    outputTokens: request.expectedTokens,
    contextTokens: request.model.contextTokens,
  };
}
