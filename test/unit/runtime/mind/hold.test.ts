/** A safe hold, and how it ends by itself. */
import { afterEach, describe, expect, it } from "vitest";
import type { EndpointState } from "#hw";
import { endpointState } from "../../../support/inference-world.ts";
import { MindWorld } from "../../../support/mind-world.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";

const folder = temporaryFolders();
let world: MindWorld | undefined;

afterEach(async () => {
  await world?.close();
  world = undefined;
});

async function open(settings: Parameters<typeof MindWorld.open>[1] = {}): Promise<MindWorld> {
  world = await MindWorld.open(folder(), settings);
  return world;
}

function down(id: string): EndpointState {
  const health = { kind: "open", retryAtMs: 0, reason: "it does not answer", faults: 3 } as const;
  return { ...endpointState(id, `http://127.0.0.1:1/${id}`), health, loaded: [], inFlight: {} };
}

describe("a server of models on a laptop", () => {
  it("that is quit puts the mind on hold, and work goes on by itself when it is started again", async () => {
    const at = await open({ "fsm.healing": { rest_ms: 1_000, max_rest_ms: 60_000, again_ms: 60_000, fruitless: 1 } });
    at.endpoints = [down("laptop")];
    at.goals = { readyGoals: 1, readyTasks: 1 };
    await at.until(() => at.service.mind.hold !== null, 1_000);
    const wasAsked = at.openAlerts.has("fsm-hold");
    await at.pass(90);
    const begins = at.executing.begins;

    at.endpoints = [endpointState("laptop", "http://127.0.0.1:1/laptop")];
    await at.pass(30);
    at.endpoints = [down("laptop")]; // it flickers
    await at.pass(2);
    at.endpoints = [endpointState("laptop", "http://127.0.0.1:1/laptop")];
    const tookSeconds = await at.until(() => at.state === "executing");

    expect(tookSeconds).toBe(62);
    expect([at.executing.begins, at.service.mind.hold]).toEqual([begins + 1, null]);
    expect([wasAsked, at.openAlerts.has("fsm-hold")]).toEqual([true, false]);
    expect(at.service.mind.episodes).toMatchObject([{ outcome: "exhausted" }]);
  });
});
