/** A worker that dies at any boundary, and the one that goes on after it. */
import { describe, expect, it } from "vitest";
import { MemoryCheckpoint } from "../../../../src/execution/loop/checkpoint.ts";
import { MAY_HAVE_RUN } from "../../../../src/execution/loop/prompts.ts";
import { reads, runLoop, runs, type World, world, writes } from "./loop-world.ts";
import type { Script } from "./scripted-model.ts";
import { answer, ToyTools } from "./toy-tools.ts";

class Died extends Error {}

/** The model decides from the conversation alone, as a real one does, so it can go on for another worker. */
const script: Script = ({ messages }) => {
  const seen = messages.filter(({ role }) => role === "tool").length;
  const plan = [
    reads("in.txt"),
    writes("a.txt", "first"),
    { calls: [...(runs("append one").calls ?? []), ...(runs("append two").calls ?? [])] },
    runs("never reached"),
    writes("b.txt", "second"),
  ];
  return plan[seen] ?? { text: "All is done." };
};

type Disk = { files: Map<string, string>; log: string[] };

function worker(disk: Disk, checkpoint: MemoryCheckpoint, dieAt: number): World {
  const tools = new ToyTools(disk.files);
  let boundary = 0;
  const maybeDie = (): void => {
    boundary += 1;
    if (boundary === dieAt) throw new Died();
  };
  tools.command = (command) => {
    disk.log.push(command);
    return answer(`did ${command}`, { command });
  };
  tools.before = maybeDie;
  tools.after = maybeDie;
  const dying = {
    load: () => checkpoint.load(),
    begin: async (state: Parameters<MemoryCheckpoint["begin"]>[0]) => {
      maybeDie();
      await checkpoint.begin(state);
      maybeDie();
      return undefined;
    },
    append: async (entry: Parameters<MemoryCheckpoint["append"]>[0]) => {
      maybeDie();
      await checkpoint.append(entry);
      maybeDie();
      return undefined;
    },
  };
  return world(script, { tools, checkpoint: dying });
}

async function workUntilDeath(
  disk: Disk,
  checkpoint: MemoryCheckpoint,
  dieAt: number,
): Promise<{ died: boolean; world: World; end?: string }> {
  const w = worker(disk, checkpoint, dieAt);
  try {
    const { end } = await runLoop(w);
    return { died: false, world: w, end: end.kind };
  } catch (error) {
    if (error instanceof Died) return { died: true, world: w };
    throw error;
  }
}

describe("a loop whose worker dies", () => {
  it("at any boundary repeats no completed command, loses no file, and comes to the same end", async () => {
    let boundaries = 0;
    let unknown = 0;
    for (let dieAt = 1; ; dieAt += 1) {
      const disk: Disk = { files: new Map([["in.txt", "input"]]), log: [] };
      const checkpoint = new MemoryCheckpoint();

      const first = await workUntilDeath(disk, checkpoint, dieAt);
      if (!first.died) break;
      boundaries += 1;
      const second = await workUntilDeath(disk, checkpoint, Number.POSITIVE_INFINITY);

      expect(disk.files.get("a.txt")).toBe("first");
      expect(disk.log.filter((line) => line === "append one").length, `died at ${dieAt}`).toBeLessThanOrEqual(1);
      expect(disk.log.filter((line) => line === "append two").length, `died at ${dieAt}`).toBeLessThanOrEqual(1);
      const told = second.world.model.requests
        .flatMap(({ messages }) => messages)
        .some(({ content }) => content === MAY_HAVE_RUN);
      if (told) unknown += 1;
      // A command that did not run is only ever one of which the model was told that it may have run.
      const all = ["append one", "append two", "never reached"];
      expect(disk.log).toEqual(told ? all.filter((line) => disk.log.includes(line)) : all.slice(0, disk.log.length));
      expect(second.end).toBe("final");
    }
    expect(boundaries).toBeGreaterThan(20);
    expect(unknown).toBeGreaterThan(3);
  });

  it("dying again and again still comes to its end, each command at most once", async () => {
    const disk: Disk = { files: new Map([["in.txt", "input"]]), log: [] };
    const checkpoint = new MemoryCheckpoint();
    let deaths = 0;

    // Three boundaries are passed while resuming; the fifth is beyond the next event.
    for (; (await workUntilDeath(disk, checkpoint, 6)).died; deaths += 1)
      if (deaths > 100) throw new Error("does not end");

    expect(deaths).toBeGreaterThan(3);
    expect(disk.files.get("a.txt")).toBe("first");
    expect(new Set(disk.log).size).toBe(disk.log.length);
  });

  it("learns that files are not as the lost worker left them, and that a written file is done", async () => {
    const disk: Disk = { files: new Map([["in.txt", "input"]]), log: [] };
    const checkpoint = new MemoryCheckpoint();
    const tools = new ToyTools(disk.files);
    const dies = world([writes("a.txt", "1"), writes("b.txt", "2")], { tools, checkpoint });
    tools.after = (call) => {
      if (call.arguments["path"] === "b.txt") throw new Died();
    };
    await expect(runLoop(dies)).rejects.toThrow(Died);
    disk.files.set("a.txt", "changed by somebody");

    const again = world([{ text: "All is done." }], { tools: new ToyTools(disk.files), checkpoint });
    const outcome = await runLoop(again);

    const said = again.model.requests[0]?.messages.map(({ content }) => content).join("\n") ?? "";
    expect(said).toContain("wrote b.txt");
    expect(said).toMatch(/not as you left them[\s\S]*a\.txt/);
    expect(said).not.toMatch(/not as you left them[\s\S]*b\.txt/);
    expect(again.tools.executed).toEqual([]);
    expect(outcome.record.callCount).toBe(2);
  });

  it("goes on with what it had used up, and with what its tools remembered", async () => {
    const checkpoint = new MemoryCheckpoint();
    const usage = { promptTokens: 500, completionTokens: 50 };
    const tools = new ToyTools(new Map([["a.txt", "1"]]));
    const dies = world(
      [
        { ...reads("a.txt"), usage },
        { ...runs("make"), usage },
      ],
      { tools, checkpoint },
    );
    tools.command = () => {
      throw new Died();
    };
    await expect(runLoop(dies)).rejects.toThrow(Died);

    const fresh = new ToyTools(tools.files);
    const outcome = await runLoop(world([{ text: "All is done.", usage }], { tools: fresh, checkpoint }));

    expect(outcome.usage).toMatchObject({ promptTokens: 1_500, completionTokens: 150 });
    expect(outcome.ownUsage).toMatchObject({ promptTokens: 500, completionTokens: 50 });
    expect(outcome.replies).toBe(3);
    expect(fresh.seen).toEqual(["a.txt"]);
  });

  it("goes on after a machine stopped it, and not after a person did", async () => {
    const [machine, person] = [new MemoryCheckpoint(), new MemoryCheckpoint()];
    for (const [checkpoint, by] of [
      [machine, "machine"],
      [person, "cancel"],
    ] as const) {
      const w = world([writes("a", "1"), { hang: () => w.stop.request({ by, reason: "stop" }) }], { checkpoint });
      expect((await runLoop(w)).end.kind).toBe("stopped");
    }

    const goesOn = world([{ text: "All is done." }], { checkpoint: machine });
    const stays = world([{ text: "All is done." }], { checkpoint: person });

    expect((await runLoop({ ...goesOn, tools: goesOn.tools })).end).toEqual({ kind: "final" });
    expect((await runLoop(stays)).end.kind).toBe("stopped");
  });

  it("starts anew when the checkpoint contradicts itself", async () => {
    const checkpoint = new MemoryCheckpoint();
    await runLoop(world([{ text: "All is done." }], { checkpoint }));
    const saved = await checkpoint.load();
    const wrong = { ...saved, entries: [...(saved?.entries ?? []), ...(saved?.entries ?? [])] };
    checkpoint.load = () => Promise.resolve(wrong as Awaited<ReturnType<MemoryCheckpoint["load"]>>); // `as`: spread of it

    const w = world([{ text: "All is done." }], { checkpoint });

    expect((await runLoop(w)).replies).toBe(1);
    expect(w.steps.some(({ kind }) => kind === "resumed")).toBe(false);
  });
});
