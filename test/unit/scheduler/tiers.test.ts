import { describe, expect, it } from "vitest";
import { MAX_REQUEST_MODELS } from "#execution";
import {
  type ChainRequest,
  chainFor,
  MAX_CHAIN,
  MAX_CLAUDE_TAIL,
  nextTier,
  tierOfModel,
} from "../../../src/scheduler/tiers.ts";
import { GIB, model, state } from "./fleet-states.ts";

const NOTHING = { trivial: [], standard: [], complex: [] };

const MODELS = [
  model("llama3.2:1b", { parameterSize: "1.2B", capabilities: ["completion"] }),
  model("qwen3:4b", { parameterSize: "4.0B" }),
  model("llama3.1:8b", { parameterSize: "8.0B" }),
  model("qwen3:14b", { parameterSize: "14.8B" }),
  model("qwen3:32b", { parameterSize: "32.8B" }),
  model("nomic-embed-text:latest", { parameterSize: "137M", capabilities: ["embedding"] }),
  model("gpt-oss:120b-cloud", { parameterSize: "117B", isRemote: true }),
];

function chain(rest: Partial<ChainRequest>): ReturnType<typeof chainFor> {
  return chainFor({
    tier: "standard",
    configured: NOTHING,
    states: [state("a", { models: MODELS.slice(0, 4) }), state("b", { models: MODELS.slice(2) })],
    needs: [],
    claude: [],
    ...rest,
  });
}

describe("the chain of a tier", () => {
  it("is what is configured, then the larger tiers' models, then Claude where it is allowed", () => {
    const configured = { trivial: ["tiny"], standard: ["mine", "second"], complex: ["large"] };

    const { models, links, reason } = chain({ configured, claude: ["claude-x"] });

    expect(models).toEqual(["mine", "second", "large", "claude-x"]);
    expect(links.map(({ source }) => source)).toEqual(["configured", "configured", "largerTier", "claude"]);
    expect(reason).toBe("standard is configured as mine, second; then the larger large; finally claude-x");
  });

  it("has an end, however many models a vendor lists", () => {
    const claude = Array.from({ length: 40 }, (_, at) => `claude-${at}`);
    const many = Array.from({ length: 40 }, (_, at) => `m${at}`);

    const { models } = chain({ configured: { ...NOTHING, standard: many }, claude });

    expect(models).toHaveLength(MAX_CHAIN + MAX_CLAUDE_TAIL);
    expect(models.slice(-MAX_CLAUDE_TAIL)).toEqual(claude.slice(0, MAX_CLAUDE_TAIL));
    expect(models.length).toBeLessThanOrEqual(MAX_REQUEST_MODELS);
  });

  it("is derived by size from the models that endpoints have when nothing is configured", () => {
    expect(chain({ tier: "trivial" }).models.slice(0, 2)).toEqual(["qwen3:4b", "llama3.2:1b"]);
    expect(chain({ tier: "standard" }).models).toEqual(["qwen3:14b", "llama3.1:8b", "qwen3:32b"]);
    expect(chain({ tier: "complex" }).models).toEqual(["qwen3:32b"]);
    expect(chain({}).reason).toContain("nothing is configured for standard; by their size qwen3:14b, llama3.1:8b");
  });

  it("derives no model that only embeds, none of a cloud, and none that is known to lack what is needed", () => {
    const all = chain({ tier: "trivial", needs: ["tools"] }).models;

    expect(all).not.toContain("nomic-embed-text:latest");
    expect(all).not.toContain("gpt-oss:120b-cloud");
    expect(all).not.toContain("llama3.2:1b");
    expect(all).toContain("qwen3:4b");
  });

  it("falls back to smaller models only when there is nothing of the size or above", () => {
    const small = [state("a", { models: MODELS.slice(0, 2) })];

    const { models, links, reason } = chain({ tier: "complex", states: small });

    expect(models).toEqual(["qwen3:4b", "llama3.2:1b"]);
    expect(links[0]?.source).toBe("smallerTier");
    expect(reason).toContain("no endpoint has a model of its size; so the smaller qwen3:4b, llama3.2:1b have to do");
  });

  it("names a model once, however its name is written", () => {
    const configured = { trivial: [], standard: ["llama3.2", "llama3.2:latest"], complex: ["llama3.2"] };

    expect(chain({ configured }).models).toEqual(["llama3.2"]);
  });

  it("judges a model of unknown parameters by its bytes", () => {
    expect(tierOfModel(model("mystery", { sizeBytes: 2 * GIB }))).toBe("trivial");
    expect(tierOfModel(model("mystery", { sizeBytes: 6 * GIB }))).toBe("standard");
    expect(tierOfModel(model("mystery", { sizeBytes: 40 * GIB }))).toBe("complex");
  });
});

describe("the tier after a verification", () => {
  it("stays while it has not failed, and is the next larger once it has", () => {
    expect(nextTier("trivial", [])).toBe("trivial");
    expect(nextTier("trivial", [{ tier: "trivial", passed: false }])).toBe("standard");
    expect(
      nextTier("trivial", [
        { tier: "standard", passed: false },
        { tier: "trivial", passed: false },
      ]),
    ).toBe("complex");
  });

  it("is none when the largest has failed too", () => {
    expect(nextTier("complex", [{ tier: "complex", passed: false }])).toBeNull();
  });
});
