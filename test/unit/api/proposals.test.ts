import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { err, type JsonValue, ok, refused } from "#base";
import type { ApiEnv } from "../../../src/api/environment.ts";
import { proposalDecisionRoutes } from "../../../src/api/routes/proposals.ts";
import { remoteProposals } from "../../../src/runtime/improvements/remote-improvements.ts";
import { noProposals } from "../../support/no-improvements.ts";
import { createHarness } from "./api-harness.ts";

/** The API of a hub that notes who decided, asked by a node of this name; undefined: with its token. */
function hub(askedBy: string | undefined) {
  const decided: string[] = [];
  const note = (who: string) => {
    decided.push(who);
    return err(refused("not_found", "nothing is known here"));
  };
  const proposals = {
    ...noProposals,
    approve: async (_: string, by: string) => note(by),
    reject: async (_: string, by: string) => note(by),
  };
  const { ports } = createHarness({ ports: { proposals } });
  const app = new Hono<ApiEnv>();
  // `as`: the name is all that is read of it.
  if (askedBy !== undefined) app.use(async (c, next) => (c.set("fleetNode", { name: askedBy } as never), next()));
  app.route("/", proposalDecisionRoutes(ports));
  const post = (path: string, body: JsonValue | undefined) =>
    app.request(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return { decided, post };
}

describe("a decision about a proposal", () => {
  it("is that of the name that was given, and of the API where none was", async () => {
    const { decided, post } = hub(undefined);

    await post("/api/proposals/p_1/approve", { by: "gertrude" });
    await post("/api/proposals/p_1/reject", { reason: "no" });

    expect(decided).toEqual(["gertrude", "api"]);
  });

  it("through a member names whom the member named, and the member", async () => {
    const { decided, post } = hub("attic");
    const request = async (_method: string, path: string, body?: JsonValue) => {
      await post(path, body);
      return ok(null);
    };
    const member = remoteProposals({ request });

    await member.approve("p_1", "gertrude", null);
    await member.reject("p_1", "api", "no");

    expect(decided).toEqual(["gertrude at attic", "api at attic"]);
  });
});
