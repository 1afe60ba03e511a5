/** The description of the API (OpenAPI 3.1), made from the same schemas that check it. */
import type { Hono } from "hono";
import { z } from "zod";
import type { ApiEnv } from "./environment.ts";
import { problemSchema } from "./problem.ts";
import { type ResponseSpec, type RouteSpec, routeSpecOf } from "./route.ts";
import { submissionSchema } from "./submission-schema.ts";
import { taskSchema } from "./task-view.ts";

type Json = Record<string, unknown>;

export type DescribedRoute = { readonly method: string; readonly path: string; readonly spec: RouteSpec | undefined };

/** @returns every route of the app, with its description where it has one; middleware is no route. */
export function describedRoutes(app: Pick<Hono<ApiEnv>, "routes">): readonly DescribedRoute[] {
  const found = new Map<string, DescribedRoute>();
  for (const { method, path, handler } of app.routes) {
    if (method === "ALL") continue;
    const name = `${method} ${path}`;
    found.set(name, { method, path, spec: found.get(name)?.spec ?? routeSpecOf(handler) });
  }
  return [...found.values()];
}

/** @returns the document, as JSON. */
export function openApiDocument(routes: readonly DescribedRoute[], version: string): Json {
  const paths: Record<string, Json> = {};
  for (const { method, path, spec } of routes) {
    if (spec === undefined) continue;
    const template = path.replaceAll(/:([A-Za-z]+)/g, "{$1}");
    paths[template] = { ...paths[template], [method.toLowerCase()]: operation(method, template, spec) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "drover",
      version,
      description: "Tasks, queue and figures of one node. Every call but /health/* and / needs the bearer token.",
    },
    paths,
    components: {
      schemas: {
        Task: jsonSchema(taskSchema, "output"),
        Submission: jsonSchema(submissionSchema, "input"),
        Problem: jsonSchema(problemSchema, "output"),
      },
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
    },
    security: [{ token: [] }],
  };
}

function operation(method: string, template: string, spec: RouteSpec): Json {
  const responses = Object.fromEntries(
    Object.entries(spec.responses).map(([status, response]) => [status, responseObject(response)]),
  );
  return {
    operationId: operationId(method, template),
    tags: [spec.tag],
    summary: spec.summary,
    ...(spec.description === undefined ? {} : { description: spec.description }),
    ...(spec.isPublic === true ? { security: [] } : {}),
    parameters: [...pathParameters(template), ...queryParameters(spec), ...headerParameters(spec)],
    ...(spec.json === undefined
      ? {}
      : {
          requestBody: {
            required: !spec.json.optional,
            content: {
              "application/json": { schema: jsonSchema(spec.json.schema, "input"), example: spec.json.example },
            },
          },
        }),
    responses: {
      ...responses,
      default: {
        description: "Any error",
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  };
}

function responseObject({ description, mediaType, schema, example }: ResponseSpec): Json {
  const shape = schema === undefined ? { type: "string" } : jsonSchema(schema, "output");
  return { description, content: { [mediaType]: { schema: shape, example } } };
}

function operationId(method: string, template: string): string {
  const words = template.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  return [method.toLowerCase(), ...words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join("");
}

function pathParameters(template: string): readonly Json[] {
  return [...template.matchAll(/\{([A-Za-z]+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function queryParameters(spec: RouteSpec): readonly Json[] {
  const fields: readonly (readonly [string, z.core.$ZodType])[] = Object.entries(spec.query?.shape ?? {});
  return fields.map(([name, field]) => ({
    name,
    in: "query",
    required: !z.safeParse(field, undefined).success,
    schema: jsonSchema(field, "output"),
  }));
}

function headerParameters(spec: RouteSpec): readonly Json[] {
  return Object.entries(spec.headers ?? {}).map(([name, description]) => ({
    name,
    in: "header",
    required: false,
    description,
    schema: { type: "string" },
  }));
}

/** The two schemas that occur everywhere stand once, under components. */
function jsonSchema(schema: z.core.$ZodType, io: "input" | "output"): Json {
  const { $schema: _dialect, ...shape } = z.toJSONSchema(schema, {
    io,
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema: made, path }) => {
      if (path.length > 0 && (zodSchema === taskSchema || zodSchema === submissionSchema)) {
        for (const name of Object.keys(made)) delete made[name];
        made.$ref = zodSchema === taskSchema ? "#/components/schemas/Task" : "#/components/schemas/Submission";
      }
      // Answers may grow fields; only what people send is closed.
      if (io === "output" && made.additionalProperties === false) delete made.additionalProperties;
    },
  });
  return shape;
}
