import { describe, expect, it } from "vitest";
import { agentTasks, startAnswering } from "../../demo/agents.ts";
import { startScriptedServer } from "../../support/models/scripted-server.ts";

const TOOLS = ["completion", "tools"];

describe("the demo with an Ollama of the environment", () => {
  it("gives the first task to its own models that can call tools, the largest first, and to no toy", async () => {
    const server = await startScriptedServer({
      models: [
        { name: "small", capabilities: TOOLS, sizeBytes: 1_000 },
        { name: "large", capabilities: TOOLS, sizeBytes: 2_000 },
        { name: "mute", capabilities: ["completion"], sizeBytes: 3_000 },
        { name: "editor", capabilities: TOOLS, sizeBytes: 4_000 },
        { name: "rented", capabilities: TOOLS, sizeBytes: 5_000, remoteHost: "https://vendor.example" },
      ],
    });
    const answering = await startAnswering(server.url);
    try {
      const [first, ...others] = agentTasks("/repository", answering.realModels);

      expect(answering.realModels).toEqual(["large:latest", "small:latest"]);
      expect(answering.endpoints[0]).toEqual({ name: "ollama", url: server.url });
      expect(first).not.toHaveProperty("requires");
      expect(others.every((task) => "requires" in task)).toBe(true);
    } finally {
      await answering.stop();
      await server.stop();
    }
  });

  it("asks a toy for the first task too, where that Ollama has no model that can call tools", async () => {
    const server = await startScriptedServer({ models: [{ name: "mute", capabilities: ["completion"] }] });
    const answering = await startAnswering(server.url);
    try {
      expect(answering.realModels).toEqual([]);
      expect(agentTasks("/repository", answering.realModels)[0]).toMatchObject({ requires: { models: ["editor"] } });
    } finally {
      await answering.stop();
      await server.stop();
    }
  });
});
