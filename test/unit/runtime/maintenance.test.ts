import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createIdFactory, SimulatedClock, seededRandom } from "#base";
import { ownWorkspaces } from "#execution";
import { temporaryFolders } from "../../support/temporary-folder.ts";

const folder = temporaryFolders();

describe("the workspaces of a state folder", () => {
  it("are listed in turns, so that those that stay hide none", () => {
    const state = folder();
    const ids = createIdFactory(new SimulatedClock(), seededRandom(5));
    const tasks = Array.from({ length: 250 }, () => ids.task()).sort();
    for (const task of tasks) mkdirSync(join(state, "workspaces", task), { recursive: true });

    const first = ownWorkspaces(state, undefined);
    const second = ownWorkspaces(state, first.at(-1)?.taskId);
    const end = ownWorkspaces(state, second.at(-1)?.taskId);

    expect([...first, ...second].map(({ taskId }) => taskId)).toEqual(tasks);
    expect(first.length).toBeLessThan(tasks.length);
    expect(end).toEqual([]);
  });

  it("are private where a task made a circle of links of .git", () => {
    const state = folder();
    const task = createIdFactory(new SimulatedClock(), seededRandom(6)).task();
    const path = join(state, "workspaces", task);
    mkdirSync(path, { recursive: true });
    symlinkSync(".git", join(path, ".git"));

    expect(ownWorkspaces(state, undefined)).toEqual([{ taskId: task, plan: { kind: "private", path } }]);
  });
});
