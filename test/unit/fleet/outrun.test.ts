/** What a hub does for a node that knows a higher epoch, whatever it is asked for. */
import { afterEach, describe, expect, test } from "vitest";
import { containing } from "../api/api-harness.ts";
import { type Box, clientOf, join, LIMITS, makeBox, whyOf } from "./fleet-world.ts";

const boxes: Box[] = [];
afterEach(async () => {
  for (const box of boxes.splice(0)) await box.stop();
});

/** A hub that notes by which epochs it is outrun, and an operator of its fleet. Its own epoch is 1. */
async function fleet(): Promise<{ hub: Box; operator: Box; outrun: number[] }> {
  const outrun: number[] = [];
  const succession = {
    promote: () => Promise.reject(new Error("nobody is promoted here")),
    hear: () => ({ ok: true as const, value: { accepted: false } }),
    outrun: (epoch: number) => outrun.push(epoch),
  };
  const hub = makeBox("hub", {
    port: { succession },
    parts: { replica: () => ({ url: "http://127.0.0.1:1", token: "" }) },
  });
  const operator = makeBox("desk");
  boxes.push(hub, operator);
  for (const box of boxes) await box.start();
  await join(hub, operator, "operator");
  return { hub, operator, outrun };
}

describe("a hub that was superseded", () => {
  test("changes nothing for an operator that knows, and learns it by the request", async () => {
    const { hub, operator, outrun } = await fleet();
    const of = (epoch: number) => clientOf(operator, { epoch: () => epoch });

    const before = await of(1).request("POST", "/api/nodes/desk/cordon", undefined, { ...LIMITS, isOfNow: true });
    const refused = await of(7).request("POST", "/api/nodes/desk/uncordon", undefined, { ...LIMITS, isOfNow: true });

    expect(whyOf(before)).toBe("ok");
    expect(refused).toMatchObject({ ok: false, error: { kind: "retryable", message: containing("no hub") } });
    expect(hub.nodes.find(operator.id)?.state).toBe("cordoned");
    expect(outrun).toEqual([7]);
  });

  test("gives no replica of its database to a node that knows", async () => {
    const { operator, outrun } = await fleet();
    const ask = (epoch: number): Promise<Response> =>
      clientOf(operator, { epoch: () => epoch }).carry(new Request("http://127.0.0.1/info?a=b"));

    // Passed on to a server that is not there.
    expect([(await ask(1)).status, (await ask(7)).status]).toEqual([502, 421]);
    expect(outrun).toEqual([7]);
  });
});
