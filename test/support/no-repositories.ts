import type { RepositoryPort } from "#api";
import { err, ok, refused } from "#base";

const nothing = async () => err(refused("not_found", "this node has no repositories"));

/** Of a node that has none registered. */
export const noRepositories: RepositoryPort = {
  list: async () => ok([]),
  find: nothing,
  add: nothing,
  setPaused: nothing,
  remove: nothing,
  deliveries: nothing,
  risk: nothing,
  check: nothing,
  deliver: nothing,
};
