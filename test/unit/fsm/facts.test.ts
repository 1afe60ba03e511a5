import { describe, expect, it } from "vitest";
import { faultsOfEndpoints, faultsOfTasks, MAX_REQUEUES, type SuspectTask } from "../../../src/fsm/index.ts";

const lost: SuspectTask = { node: "n1", isNodeOnline: false, isAttemptHealthy: false, requeues: 0 };

describe("faults of tasks", () => {
  it("count tasks of offline nodes, apart from those that were requeued too often", () => {
    const tasks = [lost, lost, { ...lost, requeues: MAX_REQUEUES }, { ...lost, node: "n2" }];

    expect(faultsOfTasks(tasks)).toEqual([
      { kind: "stuckTasks", target: "n1", level: 2, healthyAttempts: 0 },
      { kind: "spentTasks", target: "n1", level: 1, healthyAttempts: 0 },
      { kind: "stuckTasks", target: "n2", level: 1, healthyAttempts: 0 },
    ]);
  });

  it("FSM7: leave out healthy attempts, and tasks of nodes that are online", () => {
    const tasks = [
      { ...lost, isNodeOnline: true },
      { ...lost, isAttemptHealthy: true },
    ];

    expect(faultsOfTasks(tasks)).toEqual([]);
    expect(faultsOfTasks([...tasks, lost])).toMatchObject([{ kind: "stuckTasks", level: 1, healthyAttempts: 1 }]);
  });
});

describe("faults of endpoints", () => {
  it("name each that is down, with the share of all", () => {
    const endpoint = (id: string, isHealthy: boolean) => ({ id, isHealthy, healthyAttempts: 0 });

    expect(faultsOfEndpoints([endpoint("a", true), endpoint("b", true)])).toEqual([]);
    expect(faultsOfEndpoints([endpoint("a", false), endpoint("b", true), endpoint("c", true)])).toMatchObject([
      { target: "a", level: 33 },
    ]);
    expect(faultsOfEndpoints([endpoint("a", false), endpoint("b", false)]).map(({ level }) => level)).toEqual([
      100, 100,
    ]);
    expect(faultsOfEndpoints([])).toEqual([]);
  });
});
