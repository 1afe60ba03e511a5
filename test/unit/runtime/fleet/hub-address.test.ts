import { describe, expect, test } from "vitest";
import { hubAddress } from "../../../../src/runtime/fleet/open-node-fleet.ts";

describe("the address that a token carries", () => {
  test.each([
    ["", "127.0.0.1", "http://127.0.0.1:7433", "set http.host"],
    ["", "::1", "http://[::1]:7433", "set http.host"],
    ["", "0.0.0.0", "http://box:7433", "none"],
    ["", "192.168.1.5", "http://192.168.1.5:7433", "none"],
    ["", "fd00::5", "http://[fd00::5]:7433", "none"],
    ["https://hub.example/drover/", "0.0.0.0", "https://hub.example/drover", "none"],
    ["https://hub.example", "127.0.0.1", "https://hub.example", "pass on"],
  ])("with fleet.url %j and http.host %s is %s", (configured, host, url, warning) => {
    const address = hubAddress(configured, host, 7_433, "box");

    expect(address.url).toBe(url);
    expect(address.warning ?? "none").toContain(warning);
  });
});
