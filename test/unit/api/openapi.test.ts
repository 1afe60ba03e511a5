import { describe, expect, it } from "vitest";
import { bodyOf, createHarness } from "./api-harness.ts";

type Operation = {
  readonly operationId: string;
  readonly security?: readonly unknown[];
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: unknown }> };
};

describe("the description of the API", () => {
  const { api } = createHarness();

  it("covers every route of the app", () => {
    const undescribed = api.routes
      .filter((route) => route.spec === undefined)
      .map(({ method, path }) => `${method} ${path}`);

    expect(api.routes.length).toBeGreaterThan(30);
    expect(undescribed).toEqual([]);
  });

  it("shows an example for each answer that its schema accepts unchanged", () => {
    for (const { method, path, spec } of api.routes) {
      for (const [status, response] of Object.entries(spec?.responses ?? {})) {
        if (response.schema === undefined) continue;
        const parsed = response.schema.safeParse(response.example);
        expect(parsed.error?.issues ?? [], `${method} ${path} ${status}`).toEqual([]);
        expect(parsed.data, `${method} ${path} ${status}`).toEqual(response.example);
      }
    }
  });

  it("shows an example for each body that is accepted", () => {
    const refused = api.routes.filter(({ spec }) => spec?.json !== undefined && !spec.json.parse(spec.json.example).ok);

    expect(refused.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });

  it("is OpenAPI 3.1 with resolvable references, unique operations and described parameters", async () => {
    const harness = createHarness();

    const response = await harness.send("GET", "/openapi.json");

    const text = await response.clone().text();
    const document = await bodyOf(response);
    // `as`: the document is made by this repository; the checks below would fail on another shape.
    const paths = document["paths"] as Record<string, Record<string, Operation>>;
    const schemas = (document["components"] as { schemas: object }).schemas;
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    );
    const references = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([A-Za-z]+)"/g)].map((match) => match[1]);
    expect(document["openapi"]).toMatch(/^3\.1\./);
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
    expect(operations.length).toBe(harness.api.routes.length);
    expect(references).toContain("Task");
    for (const name of references) expect(Object.keys(schemas)).toContain(name);
    for (const { path, operation } of operations) {
      const named = [...path.matchAll(/\{([A-Za-z]+)\}/g)].map((match) => match[1]);
      const given = operation.parameters.filter((parameter) => parameter.in === "path").map(({ name }) => name);
      expect(given).toEqual(named);
    }
  });

  it("marks exactly the probes, the page, the joining of a fleet and webhooks as open to everybody", async () => {
    const document = await bodyOf(await createHarness().send("GET", "/openapi.json"));

    const paths = document["paths"] as Record<string, Record<string, Operation>>;
    const open = Object.entries(paths).flatMap(([path, methods]) =>
      Object.values(methods).some(({ security }) => security?.length === 0) ? [path] : [],
    );
    expect(open.sort()).toEqual([
      "/",
      "/api/join",
      "/api/webhooks/{source}",
      "/health/live",
      "/health/ready",
      "/health/startup",
    ]);
  });
});
