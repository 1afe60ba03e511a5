import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ConditionRecord, type DeliveryRecord, type RepositoryStore, repositorySchema } from "#repos";
import { must } from "../../support/opened-stores.ts";

type Opened = { readonly store: RepositoryStore; readonly close: () => Promise<void> };

const delivery: DeliveryRecord = {
  id: "site/g1/1",
  repository: "site",
  goal: "g1",
  branch: "drover/g1",
  base: "b",
  head: "h",
  outcome: "patch",
  detail: "why",
  link: "/p",
  report: { tier: "pullRequest", risk: { points: 3, terms: [] } },
  atMs: 10,
  reverted: null,
};
const condition: ConditionRecord = {
  repository: "site",
  kind: "checks",
  subject: "main",
  failing: ["test"],
  detail: "red",
  commit: "c",
  atMs: 1,
};

/** What every store of repositories does. */
export function repositoryStoreConformance(name: string, open: () => Promise<Opened>): void {
  describe(`the store of repositories: ${name}`, () => {
    let opened: Opened;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.close());

    it("keeps what is registered, also that one is paused that stands elsewhere, until it is forgotten", async () => {
      const { store } = opened;
      const site = repositorySchema.parse({ name: "site", path: "/site", checks: { test: ["bun", "test"] } });
      must(await store.add(site, 1));
      must(await store.setPaused("elsewhere", true, 2));
      must(await store.setPaused("site", true, 3));

      const entries = [...must(store.entries())].sort((left, right) => (left.name < right.name ? -1 : 1));
      expect(entries).toEqual([
        { name: "elsewhere", added: undefined, paused: true },
        { name: "site", added: site, paused: true },
      ]);
      must(await store.add({ ...site, priority: 5 }, 4));
      expect(must(store.entries()).find((one) => one.name === "site")).toMatchObject({ added: { priority: 5 } });
      expect(must(store.entries()).find((one) => one.name === "site")?.paused).toBeUndefined();
      expect([must(await store.remove("site")), must(await store.remove("site"))]).toEqual([true, false]);
    });

    it("keeps deliveries, the newest first, and what became of each last", async () => {
      const { store } = opened;
      must(await store.putDelivery(delivery));
      must(await store.putDelivery({ ...delivery, id: "site/g1/2", atMs: 20, outcome: "merged" }));
      must(await store.putDelivery({ ...delivery, id: "api/g1/1", repository: "api", atMs: 30 }));
      const reverted = { atMs: 25, commit: "r", reason: "red" };
      must(await store.putDelivery({ ...delivery, id: "site/g1/2", atMs: 20, outcome: "merged", reverted }));

      expect(must(store.deliveries("site", 10)).map(({ id }) => id)).toEqual(["site/g1/2", "site/g1/1"]);
      expect(must(store.deliveries(undefined, 1)).map(({ id }) => id)).toEqual(["api/g1/1"]);
      expect(must(store.deliveryOf("site", "g1"))).toEqual({
        ...delivery,
        id: "site/g1/2",
        atMs: 20,
        outcome: "merged",
        reverted,
      });
      expect(must(store.deliveryOf("site", "g2"))).toBeUndefined();
    });

    it("keeps what is broken until it is well again, or its repository is forgotten", async () => {
      const { store } = opened;
      must(await store.putCondition(condition));
      must(await store.putCondition({ ...condition, failing: ["build", "test"] }));
      must(await store.putCondition({ ...condition, kind: "conflict", subject: "drover/g1", failing: ["a.ts"] }));
      expect(must(store.conditions()).map(({ kind, failing }) => [kind, failing])).toEqual([
        ["checks", ["build", "test"]],
        ["conflict", ["a.ts"]],
      ]);

      must(await store.putCondition({ ...condition, failing: [] }));
      expect(must(store.conditions()).map(({ kind }) => kind)).toEqual(["conflict"]);
      must(await store.remove("site"));
      expect(must(store.conditions())).toEqual([]);
    });
  });
}
