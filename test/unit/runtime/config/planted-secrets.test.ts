import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { problemOf } from "../../../../src/api/problem.ts";
import { eventView } from "../../../../src/api/queue-view.ts";
import { loadConfig } from "../../../../src/runtime/config/load.ts";
import { SETTINGS, type SettingPath } from "../../../../src/runtime/config/settings.ts";
import { type ShownSetting, shownSettings } from "../../../../src/runtime/config/shown-settings.ts";
import { temporaryFolders } from "../../../support/temporary-folder.ts";
import { createHarness } from "../../api/api-harness.ts";
import { notice, noticeWorld } from "../../hooks/notice-world.ts";

const folder = temporaryFolders();

/** Ways in which people write secrets into addresses. */
const FORMS: readonly ((secret: string) => string)[] = [
  (secret) => `https://${secret}@host.example/x`,
  (secret) => `https://user:${secret}@host.example/x`,
  (secret) => `https://host.example/x?token=${secret}`,
  (secret) => `https://host.example/x?a=b&access_token=${secret}`,
  (secret) => `https://host.example/x?api_key=${secret}&c=d`,
  (secret) => `https://hooks.slack.com/services/T000/B000/${secret}`,
  (secret) => `https://discord.com/api/webhooks/123456/${secret}`,
];

const channel = { name: "x", kind: "http" };
const forge = { kind: "gitea", repository: "a/b" };

/** Each place of the configuration that takes an address, or a table in which people may put a secret. */
const PLACES: readonly (readonly [SettingPath, (address: string, secret: string) => unknown])[] = [
  ["fleet.url", (address) => address],
  ["store.url", (address) => address],
  ["update.manifest_url", (address) => address],
  ["telemetry.otlp.url", (address) => address],
  ["endpoints", (url) => [{ url }]],
  ["repos", (url) => [{ name: "x", url }]],
  ["repos", (url) => [{ name: "x", url: "https://host.example/x", forge: { ...forge, api_url: url } }]],
  ["notify.channels", (url) => [{ ...channel, url }]],
  ["notify.channels", (url) => [{ ...channel, kind: "ntfy", url }]],
  ["notify.channels", (url) => [{ ...channel, kind: "webhook", url, secret_file: "/s" }]],
  ["notify.channels", (_, token) => [{ ...channel, url: "https://host.example", template: { to: [{ token }] } }]],
  ["processes", (url) => [{ name: "x", command: ["true"], probe: { kind: "http", url } }]],
  ["processes", (_, secret) => [{ name: "x", command: ["true"], env: { FORGE_TOKEN: secret } }]],
];
const CASES = PLACES.map(([path, valueOf], n) => ({ n, path, valueOf }));

describe("a secret in a setting", () => {
  let shown: readonly ShownSetting[] = [];
  const { send } = createHarness({ ports: { config: () => shown } });

  it.each(CASES)("$path ($n) is shown nowhere, and in no refusal", async ({ path, valueOf }) => {
    for (const form of FORMS) {
      const secret = randomBytes(12).toString("hex");
      const value = valueOf(form(secret), secret);

      const loaded = loadConfig({ file: undefined, env: {}, cwd: "/nowhere", flags: { [path]: value } });

      shown = loaded.ok ? shownSettings(loaded.value) : [];
      const answer = await (await send("GET", "/api/config")).text();
      const said = loaded.ok ? answer : JSON.stringify([loaded.error, problemOf(loaded.error)]);
      const taken = loaded.ok ? JSON.stringify(loaded.value.config[path]) : secret;

      expect(taken).toContain(secret);
      expect(said).not.toContain(secret);
    }
  });

  it("has every setting with an address among these places", () => {
    const named = new Set<string>(PLACES.map(([path]) => path));
    const withAddress = Object.keys(SETTINGS).filter((path) => /(?:^|[._])url$/.test(path));

    expect(withAddress.filter((path) => !named.has(path))).toEqual([]);
  });
});

describe("a secret in what went wrong", () => {
  it("is in no answer, no event and no notice that is kept", () => {
    const { open, outbox, connection } = noticeWorld(folder());
    const notifier = open();
    const secrets = FORMS.map((form) => ({ form, secret: randomBytes(12).toString("hex") }));

    const shown = secrets.map(({ form, secret }) => {
      const text = `fetch ${form(secret)} failed`;
      notifier.notify(notice({ title: text, message: text }));
      const problem = problemOf({ code: "invalid", message: text, remedy: text, faults: [{ path: "", reason: text }] });
      const data = { reason: { text } };
      return [problem, eventView({ seq: 1, atMs: 1, kind: "task.dead", taskId: null, data })];
    });
    const kept = outbox.list({ channel: undefined, before: undefined, limit: 100 });
    connection.close();

    expect(kept.ok && kept.value.length).toBe(FORMS.length);
    for (const { secret } of secrets) expect(JSON.stringify([shown, kept])).not.toContain(secret);
  });
});
