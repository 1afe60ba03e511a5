/** The page at `/`: what runs here and where to go on, without scripts. */
import { createHash } from "node:crypto";
import type { ApiPorts } from "./ports.ts";

const STYLE =
  "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}code{font-family:ui-monospace,monospace}.bad{font-weight:bold}";

/** The page's own style and nothing else; by hash, because inline styles are not allowed otherwise. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(STYLE).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** Says no more than the health probes do: nobody has shown a token. */
export function statusPage({ node, clock, readiness }: Pick<ApiPorts, "node" | "clock" | "readiness">): string {
  const checks = readiness();
  const isReady = checks.every((check) => check.ok);
  const rows = checks.map(
    ({ name, ok }) => `<li${ok ? "" : ' class="bad"'}>${escaped(name)}: ${ok ? "ok" : "failing"}</li>`,
  );
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>drover ${escaped(node.name)}</title><style>${STYLE}</style></head>
<body>
<h1>drover ${escaped(node.version)}</h1>
<p>Node <b>${escaped(node.name)}</b> is ${isReady ? "ready" : '<span class="bad">not ready</span>'}, up ${upTime(clock.nowMs() - node.startedAtMs)}.</p>
<ul>${rows.join("")}</ul>
<p>On this host: <code>drover status</code>, <code>drover queue</code>.</p>
<p>For programs: <a href="/openapi.json">/openapi.json</a> describes the API. It needs the token, which is in the state folder:
<code>curl -H "Authorization: Bearer $TOKEN" …/openapi.json</code></p>
<p>For probes: <a href="/health/live">live</a>, <a href="/health/ready">ready</a>, <a href="/health/startup">startup</a>.</p>
</body>
</html>
`;
}

function upTime(ms: number): string {
  const minutes = Math.floor(Math.max(0, ms) / 60_000);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
