import { hc } from "hono/client";
import { describe, expect, it } from "vitest";
import type { AppType } from "#api";
import { createHarness, TOKEN } from "./api-harness.ts";

/** The types are the test: this file does not compile when the client loses them. */
describe("the typed client", () => {
  function createClient() {
    const { api } = createHarness();
    const send = (input: string | URL | Request, init?: RequestInit) =>
      api.app.request(input instanceof Request ? input.url : input.toString(), init);
    return hc<AppType>("http://localhost", { fetch: send, headers: { authorization: `Bearer ${TOKEN}` } });
  }

  it("knows paths, bodies and answers", async () => {
    const client = createClient();

    const submitted = await client.api.tasks.$post({ json: { title: "a", command: ["true"], lane: "high" } });
    const body = await submitted.json();
    if (!submitted.ok || !("id" in body)) throw new Error("expected a task");
    const shown = await client.api.tasks[":id"].$get({ param: { id: body.id } });
    const task = shown.ok ? await shown.json() : undefined;
    const queue = await client.api.queue.$get();
    const depth = queue.ok ? (await queue.json()).totals.ready : undefined;
    const listed = await client.api.tasks.$get({ query: { limit: "1" } });
    const page = listed.ok ? await listed.json() : undefined;

    expect(task?.lane).toBe("high");
    expect(task?.attempts.length).toBe(0);
    expect(depth).toBe(1);
    expect(page?.items.map((item) => item.id)).toEqual([body.id]);
  });

  it("knows problems", async () => {
    const answer = await createClient().api.tasks[":id"].$get({ param: { id: "t_1" } });

    const problem = answer.ok ? undefined : await answer.json();

    expect(problem?.code).toBe("not_found");
    expect(problem?.remedy).toContain("drover task list");
  });
});
