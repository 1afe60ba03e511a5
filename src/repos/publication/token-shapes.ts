/** Secrets that are told by their shape alone, where the rules of secretlint have none or ask for more context. */
import type { Sighting } from "./finding.ts";

/** The group `secret` is the secret; the whole match where there is none. */
type Shape = { readonly rule: string; readonly pattern: RegExp };

const SHAPES: readonly Shape[] = [
  {
    rule: "private-key",
    pattern: /-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----[\s\S]{16,16384}?-----END /g,
  },
  { rule: "putty-key", pattern: /PuTTY-User-Key-File-[23]:[\s\S]{0,16384}?Private-Lines:/g },
  { rule: "age-key", pattern: /\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b/g },
  { rule: "drover-token", pattern: /\bdrv_[A-Za-z0-9_-]{20,128}/g },
  { rule: "github-token", pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{60,255})\b/g },
  { rule: "gitlab-token", pattern: /\bgl(?:pat|dt|rt|ptt|cbt|ft|soat)-[A-Za-z0-9_-]{20,64}/g },
  { rule: "google-api-key", pattern: /\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])/g },
  { rule: "google-oauth", pattern: /\bGOCSPX-[0-9A-Za-z_-]{28}(?![0-9A-Za-z_-])/g },
  { rule: "aws-key-id", pattern: /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/g },
  { rule: "stripe-key", pattern: /\b(?:sk|rk)_(?:live|test)_[0-9A-Za-z]{16,128}\b|\bwhsec_[0-9A-Za-z]{32,}\b/g },
  { rule: "model-api-key", pattern: /\bsk-(?:proj-|svcacct-|or-v1-)?[A-Za-z0-9_-]{32,256}/g },
  { rule: "huggingface-token", pattern: /\bhf_[A-Za-z0-9]{34}\b/g },
  { rule: "groq-key", pattern: /\bgsk_[A-Za-z0-9]{48,64}\b/g },
  { rule: "slack-webhook", pattern: /hooks\.slack\.com\/(?:services|workflows)\/[A-Za-z0-9/_-]{40,80}/g },
  { rule: "slack-token", pattern: /\bxox[abeoprs]-[A-Za-z0-9-]{24,255}/g },
  { rule: "discord-webhook", pattern: /discord(?:app)?\.com\/api\/webhooks\/\d{17,20}\/[A-Za-z0-9_-]{60,80}/g },
  { rule: "telegram-token", pattern: /\b\d{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])/g },
  { rule: "npm-token", pattern: /\bnpm_[A-Za-z0-9]{36}\b/g },
  { rule: "pypi-token", pattern: /\bpypi-[A-Za-z0-9_-]{80,255}/g },
  { rule: "sendgrid-key", pattern: /\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/g },
  { rule: "twilio-key", pattern: /\bSK[0-9a-f]{32}\b/g },
  { rule: "mailgun-key", pattern: /\bkey-[0-9a-f]{32}\b/g },
  { rule: "digitalocean-token", pattern: /\bdo[opr]_v1_[0-9a-f]{64}\b/g },
  { rule: "vault-token", pattern: /\bhv[sbr]\.[A-Za-z0-9_-]{24,255}/g },
  { rule: "azure-account-key", pattern: /\bAccountKey=(?<secret>[A-Za-z0-9+/]{86}==)/g },
  { rule: "doppler-token", pattern: /\bdp\.(?:pt|st|ct|sa)\.[A-Za-z0-9_.-]{40,64}/g },
  { rule: "shopify-token", pattern: /\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b/g },
  { rule: "tailscale-key", pattern: /\btskey-(?:auth|api|client)-[A-Za-z0-9]{8,32}-[A-Za-z0-9]{20,64}\b/g },
  {
    rule: "json-web-token",
    pattern: /\beyJ[A-Za-z0-9_-]{10,2048}\.eyJ[A-Za-z0-9_-]{10,4096}\.[A-Za-z0-9_-]{20,1024}/g,
  },
  {
    rule: "authorization-header",
    pattern: /\b(?:Bearer|Basic)\s+(?<secret>[A-Za-z0-9._~+/-]{20,1024}={0,2})(?![A-Za-z0-9._~+/-])/g,
  },
  {
    rule: "password-in-url",
    pattern: /\b[a-z][a-z0-9+.-]{1,30}:\/\/[^\s/:@"'`<>{}$]{0,64}:(?<secret>[^\s/@"'`<>{}$]{3,256})@[A-Za-z0-9[]/gi,
  },
];

/** Sightings of one text; more say nothing that these do not. */
const MAX_SIGHTINGS = 1_000;

/** @returns every secret that is told by its shape, in the order of the rules. */
export function seeTokens(text: string): readonly Sighting[] {
  const found: Sighting[] = [];
  for (const { rule, pattern } of SHAPES) {
    for (const match of text.matchAll(pattern)) {
      if (found.length >= MAX_SIGHTINGS) return found;
      const secret = match.groups?.["secret"] ?? match[0];
      const start = match.index + match[0].indexOf(secret);
      found.push({ kind: "secret", rule, severity: "block", start, end: start + secret.length });
    }
  }
  return found;
}
