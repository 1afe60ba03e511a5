import { describe, expect, it } from "vitest";
import { ok } from "#base";
import { MemoryQueueStore } from "#queue";
import { hubSettings } from "../../support/fleet-settings.ts";
import { containing, valueOf } from "../api/api-harness.ts";
import { type Box, join, makeBox } from "./fleet-world.ts";

async function eventsOf(store: MemoryQueueStore) {
  return valueOf(await store.events(0, 100)).map(({ kind, data }) => [kind, data["key"], data["from"], data["to"]]);
}

describe("a setting of the fleet", () => {
  it("is kept with a line in the history; the same again, and taking away what is not there, change nothing", async () => {
    const store = new MemoryQueueStore();
    const settings = hubSettings({ store });

    const first = await settings.set("limits.attempts", 5);
    const again = await settings.set("limits.attempts", 5);
    const listed = valueOf(await settings.list());
    const gone = await settings.unset("limits.attempts");
    const twice = await settings.unset("limits.attempts");

    expect([first, again, gone, twice].map((each) => valueOf(each).changed)).toEqual([true, false, true, false]);
    expect(listed).toMatchObject([{ key: "limits.attempts", value: 5 }]);
    expect(valueOf(await settings.list())).toEqual([]);
    expect(await eventsOf(store)).toEqual([
      ["setting.changed", "limits.attempts", null, 5],
      ["setting.removed", "limits.attempts", 5, null],
    ]);
  });

  it("is checked by the schema that a node has for it, and is none of one node's own", async () => {
    const settings = hubSettings();

    const [wrong, own, typo] = [
      await settings.set("limits.attempts", "many"),
      await settings.set("http.port", 80),
      await settings.set("limits.atempts", 3),
    ];

    expect(wrong).toMatchObject({ ok: false, error: { code: "invalid", message: containing("limits.attempts") } });
    expect(own).toMatchObject({ ok: false, error: { code: "unsupported", message: containing("one node") } });
    expect(typo).toMatchObject({ ok: false, error: { remedy: "Did you mean limits.attempts?" } });
    expect(valueOf(await settings.list())).toEqual([]);
  });

  it("is refused while a node of the fleet does not understand it", async () => {
    const settings = hubSettings({ level: () => 1 });

    expect(await settings.set("limits.attempts", 5)).toMatchObject({
      ok: false,
      error: { code: "unsupported", message: containing("feature level 2"), remedy: containing("drover node list") },
    });
  });
});

describe("a node of the fleet", () => {
  const boxes: Box[] = [];
  const started = async (name: string): Promise<Box> => {
    const box = makeBox(name);
    boxes.push(box);
    await box.start();
    return box;
  };

  it("sets, shows and takes away through its API; a typed text is read as a variable is", async () => {
    const box = await started("hub");
    const path = "/api/fleet/settings/tiers.trivial.models";
    try {
      const set = await box.ask("PUT", path, { text: "a, b" });
      const shown = await box.ask("GET", "/api/fleet/settings");
      const both = await box.ask("PUT", path, { value: 1, text: "1" });
      const gone = await box.ask("DELETE", path);

      expect(set).toMatchObject({ status: 200, body: { key: "tiers.trivial.models", changed: true } });
      expect(shown.body).toMatchObject({
        settings: [{ key: "tiers.trivial.models", value: ["a", "b"] }],
        pending: [],
      });
      expect(both.status).toBe(400);
      expect(gone).toMatchObject({ status: 200, body: { changed: true } });
    } finally {
      for (const each of boxes.splice(0)) await each.stop();
    }
  });

  it("changes a setting through its hub as an operator, and not as a member", async () => {
    const [hub, operator, member] = [await started("hub"), await started("desk"), await started("gpu1")];
    try {
      await join(hub, operator, "operator");
      await join(hub, member);
      await operator.start();
      await member.start();
      const path = "/api/fleet/settings/limits.attempts";
      // What a box's own API says is of its own store; what the hub keeps is asked of the hub.
      const bySigned = async (box: Box) =>
        box.fleet().client?.request("PUT", path, { value: 4 }, { deadlineMs: 5_000 });

      expect(await bySigned(member)).toMatchObject({ ok: false, error: { message: containing("needs operator") } });
      expect(await bySigned(operator)).toMatchObject(ok({ key: "limits.attempts", changed: true }));
      expect((await hub.ask("GET", "/api/fleet/settings")).body).toMatchObject({
        settings: [{ key: "limits.attempts", value: 4 }],
      });
    } finally {
      for (const box of boxes.splice(0)) await box.stop();
    }
  });
});
