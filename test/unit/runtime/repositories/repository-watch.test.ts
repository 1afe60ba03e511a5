import { describe, expect, it } from "vitest";
import { ok, SimulatedClock, silentLogger } from "#base";
import { type DeliveryNews, type Registered, registered, repositorySchema } from "#repos";
import { RepositoryWatch } from "../../../../src/runtime/repositories/repository-watch.ts";

const EVERY_MS = 300_000;
const FORGE = { kind: "gitea", apiUrl: "https://git.example.org/api/v1", repository: "ada/site" } as const;

function world(everyMs = EVERY_MS) {
  const clock = new SimulatedClock();
  const looks: string[] = [];
  const alerts: string[] = [];
  const news: DeliveryNews[] = [];
  let mayCheck = true;
  let atOnce = 0;
  const all: readonly Registered[] = registered(
    [
      repositorySchema.parse({ name: "site", url: "https://git.example.org/ada/site.git", forge: FORGE }),
      repositorySchema.parse({ name: "tools", path: "/srv/tools" }),
    ],
    [],
  );
  const watch = new RepositoryWatch({
    deliveries: {
      checkMoved: async (name) => {
        atOnce += 1;
        await Promise.resolve();
        looks.push(atOnce === 1 ? `check ${name}` : "two at once");
        atOnce -= 1;
        return ok(null);
      },
      followWaiting: async (name) => {
        looks.push(`follow ${name}`);
        return ok(news.splice(0));
      },
    },
    sharing: { tidy: async () => ok(undefined) },
    active: () => ok(all),
    everyMs,
    clock,
    logger: silentLogger,
  });
  const settle = async (ms: number): Promise<readonly string[]> => {
    clock.advance(ms);
    await watch.looking;
    return looks.splice(0);
  };
  watch.start({
    mayCheck: () => mayCheck,
    alerts: { raise: ({ key }) => alerts.push(key), resolve: (key) => alerts.push(`resolved ${key}`) },
  });
  return { watch, settle, alerts, news, busy: () => (mayCheck = false) };
}

describe("the look at repositories", () => {
  it("is taken soon after the start, then now and then, one after another, and soon after a webhook", async () => {
    const { settle, watch } = world();
    const whole = ["follow site", "check site", "check tools"];

    expect(await settle(2_000)).toEqual(whole);
    expect(await settle(EVERY_MS - 1)).toEqual([]);
    expect(await settle(1)).toEqual(whole);
    watch.wake();
    expect(await settle(2_000)).toEqual(whole);
    watch.stop();
    watch.wake();
    expect(await settle(EVERY_MS)).toEqual([]);
  });

  it("runs no checks while there is other work, and is never taken when it is off", async () => {
    const working = world();
    working.busy();

    expect(await working.settle(2_000)).toEqual(["follow site"]);
    expect(await world(0).settle(EVERY_MS)).toEqual([]);
  });

  it("tells of a delivery that waited and is not merged, and ends that when it is", async () => {
    const { settle, alerts, news } = world();
    news.push({ goal: "g1", outcome: "pullRequest", detail: "the checks of the forge are failing", link: null });
    await settle(2_000);
    news.push({ goal: "g1", outcome: "merged", detail: "merged as 1", link: null });
    await settle(EVERY_MS);

    expect(alerts).toEqual(["delivery:site:g1", "resolved delivery:site:g1"]);
  });
});
