import { describe, expect, it } from "vitest";
import { submissionsToTasks } from "#api";
import { createIdFactory, type FieldFault, SimulatedClock, seededRandom } from "#base";
import { parseSubmissions, tasksOfCaller } from "../../../src/api/submission.ts";

const facts = { ids: createIdFactory(new SimulatedClock(), seededRandom(1)), executors: ["shell"] } as const;

function faultsOf(value: unknown): readonly FieldFault[] {
  const tasks = submissionsToTasks(value, facts);
  if (tasks.ok) throw new Error("it was accepted");
  return tasks.error.faults ?? [];
}

describe("a submission", () => {
  it("with a circle of dependencies is refused with the names that its author gave", () => {
    const faults = faultsOf([
      { ref: "build", title: "Build", command: ["true"], dependsOn: ["test"] },
      { ref: "test", title: "Test", command: ["true"], dependsOn: ["build"] },
    ]);

    expect(faults).toEqual([
      { path: "dependsOn", reason: "these tasks depend on each other in a circle: build → test → build" },
    ]);
  });

  it.each([
    ["workspace", { workspace: "somewhere" }, "is not an absolute path"],
    ["repo", { repo: "some/where" }, "is not an absolute path"],
    ["workspace", { workspace: "/a", repo: "/b" }, "exclude each other"],
  ])("whose %s no attempt could use is refused before it is queued", (path, fields, reason) => {
    const [fault] = faultsOf({ title: "x", command: ["true"], ...fields });

    expect(fault?.path).toBe(path);
    expect(fault?.reason).toContain(reason);
  });

  it("of a caller does not carry the labels by which the node knows its own tasks", () => {
    const batch = parseSubmissions([{ title: "x", command: ["true"], labels: { team: "a", "drover.goal": "g_1" } }]);
    if (!batch.ok) throw new Error("its form is right");

    const tasks = tasksOfCaller(batch.value, facts);

    expect(tasks).toMatchObject({ ok: false, error: { code: "invalid", faults: [{ path: "0.labels.drover.goal" }] } });
  });

  it("that sets a reserved variable is told so, and what to do instead", () => {
    const [fault] = faultsOf({ title: "x", command: ["true"], env: { LD_PRELOAD: "x.so" } });

    expect(fault).toEqual({
      path: "env.LD_PRELOAD",
      reason: 'is reserved; set it inside the command: ["env","NAME=value",…]',
    });
  });
});
