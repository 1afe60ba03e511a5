import { describe, expect, it } from "vitest";
import { type JsonValue, ok } from "#base";
import { httpLink } from "#fleet";

const HEARTBEAT = { held: [], heard: [], announced: {} };

/** A hub that answers under an epoch, and what it was sent. */
function hubOf(epoch: number, known: number) {
  const sent: JsonValue[] = [];
  const link = httpLink(
    async (_method, _path, body) => {
      sent.push(body);
      return ok({ epoch, seq: 1, termMs: 60_000, held: [], orders: [] });
    },
    () => known,
  );
  return { link, sent };
}

describe("the way to the hub", () => {
  it("says with every call which epoch the node knows", async () => {
    const { link, sent } = hubOf(7, 7);

    await link.heartbeat(HEARTBEAT);

    expect(sent).toEqual([{ ...HEARTBEAT, epoch: 7 }]);
  });

  // Retryable, so that nothing that waits for an answer is given up.
  it.each([
    [6, 7, "retryable"],
    [7, 7, "believed"],
    [8, 7, "believed"],
  ])("an answer under epoch %i where %i is known is %s", async (epoch, known, expected) => {
    const answer = await hubOf(epoch, known).link.heartbeat(HEARTBEAT);

    expect(answer.ok ? "believed" : answer.error.kind).toBe(expected);
  });
});
