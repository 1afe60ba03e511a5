import { describe, expect, it } from "vitest";
import { ResidencyHistory } from "../../../../src/hw/fit/residency-history.ts";
import { loaded, state } from "../../scheduler/fleet-states.ts";

const seen = (polledAtMs: number, ...bytes: readonly number[]) =>
  state("a", {
    polledAtMs,
    loaded: bytes.map((sizeBytes, index) => loaded(`m${index}`, { sizeBytes, vramBytes: sizeBytes })),
  });

describe("what the models of a server held", () => {
  it("is known for every instant between its changes, and before its first sight what it held then", () => {
    const history = new ResidencyHistory();

    const changes = [seen(1_000, 5), seen(2_000, 5), seen(3_000, 5, 6), seen(4_000)].map((one) => history.note(one));

    expect(changes).toEqual([false, false, true, true]);
    expect([0, 2_999, 3_000, 4_000].map((atMs) => history.heldAt("a", atMs).vramBytes)).toEqual([5, 5, 11, 0]);
  });

  it("is nothing of a server that was never seen or that is gone", () => {
    const history = new ResidencyHistory();
    const first = history.note({ ...seen(1_000, 5), polledAtMs: null });
    const unseen = history.heldAt("a", 2_000);
    history.note(seen(1_000, 5));
    history.keepOnly(new Set(["b"]));

    expect([first, unseen.vramBytes, history.heldAt("a", 2_000).vramBytes]).toEqual([false, 0, 0]);
  });
});
