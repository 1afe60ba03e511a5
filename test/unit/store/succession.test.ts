/** A promotion and a step down, killed at each step: they come to the same end. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { present } from "#base";
import type { SuccessionStep } from "#store";
import { forkOf } from "../../../src/store/takeovers.ts";
import { must, openedStores } from "../../support/opened-stores.ts";
import { newTask } from "../../support/queue-world.ts";
import { realClock } from "../../support/real-clock.ts";
import { ids, Killed, killAt, openSide, SuccessionWorld } from "../../support/succession-world.ts";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();
const task = newTask(ids.task());
let world: SuccessionWorld;

beforeEach(async () => {
  world = new SuccessionWorld(folder());
  const hub = await openSide(world.oldDir);
  must(await hub.queue.submit([task]));
  await hub.close();
  await world.copyToMember();
});

/** What the new hub is once it runs. */
async function standing(): Promise<unknown> {
  const stores = await openedStores(world.newDir, { clock: realClock });
  const found = must(await stores.queue.find(task.id));
  const result = {
    task: found?.row.state,
    epoch: stores.position().epoch,
    isHub: must(stores.secrets.isHub()),
    isMember: must(stores.secrets.membership()) !== undefined,
    hub: stores.fleetNodes.hub()?.node === stores.nodeId,
    left: readdirSync(world.newDir).filter((name) => /promot/.test(name) && !/promoted-\d+/.test(name)),
  };
  await stores.close();
  return result;
}

describe("a promotion", () => {
  it.each<SuccessionStep>(["promotion.noted", "promotion.copied", "promotion.exchanged"])(
    "S1: that is killed at %s is finished by the next start, with nothing left over",
    async (step) => {
      expect(() => world.promote(killAt(step))).toThrow(Killed);
      const finished = must(world.promote());
      const again = must(world.promote());

      expect([finished, again]).toEqual([world.epoch, undefined]);
      expect(await standing()).toEqual({
        task: "ready",
        epoch: world.epoch,
        isHub: true,
        isMember: false,
        hub: true,
        left: [],
      });
    },
  );

  it("is finished also when it is killed at every step one after the other", async () => {
    const steps: readonly SuccessionStep[] = ["promotion.noted", "promotion.copied", "promotion.exchanged"];
    for (const step of steps) {
      expect(() => world.promote(killAt(step))).toThrow(Killed);
    }

    expect(must(world.promote())).toBe(world.epoch);
    expect(await standing()).toMatchObject({ epoch: world.epoch, isHub: true, hub: true });
  });
});

describe("a step down", () => {
  it.each<SuccessionStep>(["stepdown.noted", "stepdown.moved"])(
    "that is killed at %s is finished by the next start: one folder, with everything in it",
    async (step) => {
      world.noteStepDown();

      expect(() => world.stepDown(killAt(step))).toThrow(Killed);
      const moved = present(must(world.stepDown()), "it was begun");
      const again = must(world.stepDown());

      expect(again).toBeUndefined();
      expect(existsSync(join(world.oldDir, "fleet.db"))).toBe(false);
      expect(readdirSync(join(world.oldDir, "quarantine"))).toHaveLength(1);
      const kept = await openedStores(moved, { clock: realClock });
      expect(must(await kept.queue.find(task.id))?.row.state).toBe("ready");
      await kept.close();
    },
  );

  it("leaves a database in which the epoch is the old one still", async () => {
    must(world.promote());
    world.noteStepDown();
    must(world.stepDown());
    world.copyToOldHub();
    const { quarantine, close } = await openedStores(world.oldDir, { clock: realClock });
    must(quarantine.discover());
    const { name } = present(must(quarantine.folders())[0], "one was made");

    expect(must(await quarantine.readOn(name))).toBe(true);
    expect(must(quarantine.folders())).toMatchObject([{ epoch: 1, counts: { waiting: 0 } }]);
    await close();
  });
});

describe("where two histories part", () => {
  const takeovers = (...of: (readonly [number, number])[]): ReadonlyMap<number, number> => new Map(of);

  it.each<[string, ReturnType<typeof takeovers>, ReturnType<typeof takeovers>, number | undefined]>([
    ["at the takeover that the old hub did not see", takeovers(), takeovers([5, 70]), 70],
    ["at the first of several", takeovers(), takeovers([5, 70], [9, 200]), 70],
    ["after what both know", takeovers([5, 70]), takeovers([5, 70], [9, 200]), 200],
    ["where the earlier of two promotions at once began", takeovers([5, 70]), takeovers([9, 60]), 60],
    ["and whichever of them lost", takeovers([9, 80]), takeovers([5, 90]), 80],
    ["nowhere yet", takeovers([5, 70]), takeovers([5, 70]), undefined],
  ])("%s", (_name, old, now, expected) => {
    expect(forkOf(old, now)).toBe(expected);
    expect(forkOf(now, old)).toBe(expected);
  });
});
