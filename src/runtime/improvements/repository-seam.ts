/** Registered repositories, as improving looks at them. */
import { join } from "node:path";
import type { ImprovedRepositories } from "#activities";
import { type Clock, err, ok, type Result, refused } from "#base";
import {
  changedPaths,
  FactsFile,
  findRepository,
  type Registered,
  type RepositoryPlaces,
  type RepositoryStore,
  type TrackedState,
  trackedState,
} from "#repos";

type Parts = {
  readonly stateDir: string;
  readonly list: () => Result<readonly Registered[]>;
  readonly places: RepositoryPlaces;
  readonly store: Pick<RepositoryStore, "deliveryOf">;
  readonly clock: Clock;
};

/** What a model is told of a repository: the beginning of its README. */
const ABOUT_CHARS = 1_500;
const MAX_ABOUTS = 10;

/** What was fetched this long ago is fresh enough to look at: one turn asks for it several times. */
const FRESH_MS = 60_000;

type Opened = TrackedState & { readonly gitDir: string };

export function repositorySeam({ stateDir, list, places, store, clock }: Parts): ImprovedRepositories {
  const kept = new Map<string, { readonly atMs: number; readonly state: Opened }>();
  const main = async (name: string, anew = false): Promise<Result<Opened>> => {
    const known = kept.get(name);
    if (!anew && known !== undefined && clock.monotonicMs() - known.atMs < FRESH_MS) return ok(known.state);
    const opened = await openMain({ list, places }, name);
    if (opened.ok) kept.set(name, { atMs: clock.monotonicMs(), state: opened.value });
    return opened;
  };
  return {
    list: async () => {
      const all = list();
      return all.ok ? ok(all.value.filter(({ paused }) => !paused).map(({ name }) => ({ name }))) : all;
    },
    open: main,
    checks: (name) => {
      const all = list();
      const found = all.ok ? findRepository(all.value, name) : all;
      return found.ok ? ok(found.value.checks) : found;
    },
    delivered: async (name, goal) => {
      const delivery = store.deliveryOf(name, goal);
      if (!delivery.ok) return delivery;
      if (delivery.value === undefined) return ok(null);
      const { base, head, reverted } = delivery.value;
      const opened = await main(name);
      const files = opened.ok ? await changedPaths(opened.value.gitDir, base, head) : opened;
      // Without them the file of the finding is left alone still.
      return ok({ files: files.ok ? files.value : [], isReverted: reverted !== null });
    },
    cache: (name) => new FactsFile(join(stateDir, "scans", `${name}.json.gz`)),
  };
}

async function openMain({ list, places }: Pick<Parts, "list" | "places">, name: string): Promise<Result<Opened>> {
  const all = list();
  if (!all.ok) return all;
  const repository = findRepository(all.value, name);
  if (!repository.ok) return repository;
  const place = await places.open(repository.value);
  if (!place.ok) return place;
  const main = await places.fresh(repository.value, place.value);
  if (!main.ok) return main;
  const { gitDir } = place.value;
  const state = await trackedState(gitDir, main.value.commit);
  return state.ok ? ok({ ...state.value, gitDir }) : state;
}

/** What each active repository says of itself first. */
export async function aboutsOf(repositories: ImprovedRepositories) {
  const all = await repositories.list();
  if (!all.ok) return [];
  const abouts: { readonly name: string; readonly about: string }[] = [];
  for (const { name } of all.value.slice(0, MAX_ABOUTS)) {
    const state = await repositories.open(name);
    const readme = state.ok ? state.value.files.find(({ path }) => /^readme(?:\.\w+)?$/i.test(path)) : undefined;
    const text =
      !state.ok || readme === undefined
        ? err(refused("not_found", "no README"))
        : await state.value.contents.text(readme);
    abouts.push({ name, about: text.ok ? (text.value ?? "").slice(0, ABOUT_CHARS) : "" });
  }
  return abouts;
}
