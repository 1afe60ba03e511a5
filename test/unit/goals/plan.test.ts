import { describe, expect, test } from "vitest";
import { readPlan } from "../../../src/goals/plan.ts";
import { VOCABULARY } from "./goal-play.ts";

const FACTS = { files: new Set(["src/a.ts", "README.md"]), doneKeys: ["done1"] };
const task = (more: object = {}) => ({ key: "t1", title: "one", prompt: "Do it.", ...more });

function read(value: unknown, facts: Parameters<typeof readPlan>[2] = FACTS) {
  const plan = readPlan(typeof value === "string" ? value : JSON.stringify(value), VOCABULARY, facts);
  return plan.ok ? plan.value : plan.error;
}
const faultsOf = (...tasks: readonly object[]) => read({ tasks });

describe("a plan", () => {
  test.each([
    ["alone", JSON.stringify({ tasks: [task()] })],
    ["in a fence", `Sure:\n\`\`\`json\n${JSON.stringify({ tasks: [task()] })}\n\`\`\`\nThat is all.`],
    ["between words", `The plan is ${JSON.stringify({ tasks: [task()] })} as asked.`],
  ])("that stands %s in the reply is read", (_where, reply) => {
    expect(read(reply)).toMatchObject({ tasks: [{ key: "t1", executor: "auto", dependsOn: [], files: [] }] });
  });

  test("may depend on tasks before it and on those that are done, and name files that exist", () => {
    const plan = faultsOf(task({ files: ["src/a.ts"] }), task({ key: "t2", dependsOn: ["t1", "done1", "t1"] }));

    expect(plan).toMatchObject({ tasks: [{ files: ["src/a.ts"] }, { dependsOn: ["t1", "done1"] }] });
  });

  test.each([
    ["no reply", "", "the reply was empty"],
    ["no JSON", "I will do it.", "holds no JSON object"],
    ["broken JSON", '{"tasks":[', "is not valid JSON"],
    ["a list", "[1]", "no JSON object"],
    ["no tasks", { tasks: [] }, "tasks: must hold at least one task"],
    ["too many tasks", { tasks: Array.from({ length: 21 }, (_, n) => task({ key: `t${n}` })) }, "at most 20 tasks"],
    ["a field that is none", { tasks: [task({ colour: "red" })] }, 'tasks.0: Unrecognized key: "colour"'],
    ["a key that is none", { tasks: [task({ key: "a b" })] }, "tasks.0.key: must be 1 to 40 letters"],
    ["an executor that is none", { tasks: [task({ executor: "cobol" })] }, "tasks.0.executor"],
    ["a tier that is none", { tasks: [task({ tier: "hard" })] }, "tasks.0.tier"],
    ["a check that is none", { tasks: [task({ verify: [{ kind: "looks_nice" }] })] }, "tasks.0.verify.0.kind"],
    ["a prompt that is too long", { tasks: [task({ prompt: "x".repeat(8_193) })] }, "tasks.0.prompt"],
    ["no prompt", { tasks: [{ key: "t1", title: "one" }] }, "tasks.0.prompt: is missing"],
    ["a shell without command", { tasks: [task({ executor: "shell" })] }, "tasks.0.command: executor shell needs"],
    ["a command for a model", { tasks: [task({ executor: "ollama", command: ["a"] })] }, "only executor shell takes"],
    ["the same key twice", { tasks: [task(), task()] }, 'tasks.1.key: "t1" names another task too'],
    ["itself below it", { tasks: [task({ dependsOn: ["t1"] })] }, '"t1" is the task itself'],
    ["a later task below it", { tasks: [task({ dependsOn: ["t2"] }), task({ key: "t2" })] }, '"t2" stands after it'],
    ["an unknown task below it", { tasks: [task({ dependsOn: ["x"] })] }, 'there is no task "x"; before it are done1'],
    ["a file that is none", { tasks: [task({ files: ["src/b.ts"] })] }, 'did you mean "src/a.ts"?'],
    ["a file far from all", { tasks: [task({ files: ["zzzzzzzzzzzz"] })] }, "name only files that exist"],
  ])("with %s is not accepted, and the fault says where", (_what, value, fault) => {
    const faults = read(value);

    expect(Array.isArray(faults) ? faults.join("\n") : faults).toContain(fault);
  });

  test("of a repository whose files are not all known may name any file", () => {
    expect(read({ tasks: [task({ files: ["src/b.ts"] })] }, { files: undefined, doneKeys: [] })).toMatchObject({
      tasks: [{ files: ["src/b.ts"] }],
    });
  });

  test("that gives a task the key of one that is done means another task, also where it names the key below", () => {
    const again = task({ key: "done1" });
    const plan = faultsOf(
      task({ dependsOn: ["done1"] }),
      again,
      task({ key: "done1-2" }),
      task({ key: "t4", dependsOn: ["done1"] }),
    );

    expect(plan).toMatchObject({
      tasks: [
        { key: "t1", dependsOn: ["done1"] },
        { key: "done1-3" },
        { key: "done1-2" },
        { key: "t4", dependsOn: ["done1-3"] },
      ],
    });
  });

  test("tells a bounded number of faults at once", () => {
    const faults = faultsOf(...Array.from({ length: 20 }, () => task({ dependsOn: ["x"], files: ["y"] })));

    expect(faults).toHaveLength(12);
  });
});
