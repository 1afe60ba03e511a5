/** The page for people and the description for programs. */
import { Hono } from "hono";
import type { ApiEnv } from "../environment.ts";
import type { ApiPorts } from "../ports.ts";
import { route, text } from "../route.ts";
import { PAGE_POLICY, statusPage } from "../status-page.ts";

/** @param describe makes the description; asked once, at the first request for it */
export function docRoutes(ports: ApiPorts, describe: () => unknown) {
  let description: string | undefined;
  return new Hono<ApiEnv>()
    .get(
      "/",
      route({
        tag: "node",
        summary: "A page for people",
        isPublic: true,
        responses: { 200: text("HTML without scripts", "text/html; charset=utf-8", "<!doctype html>") },
      }),
      (c) =>
        c.body(statusPage(ports), 200, {
          "content-type": "text/html; charset=utf-8",
          "content-security-policy": PAGE_POLICY,
        }),
    )
    .get(
      "/openapi.json",
      route({
        tag: "node",
        summary: "This description",
        responses: { 200: text("OpenAPI 3.1", "application/json", '{"openapi":"3.1.1"}') },
      }),
      (c) => {
        description ??= JSON.stringify(describe());
        return c.body(description, 200, { "content-type": "application/json" });
      },
    );
}
