import { describe, expect, it } from "vitest";
import { MAINTENANCE_HEADER } from "../../../src/api/app.ts";
import { createHarness } from "./api-harness.ts";

const HEADER = MAINTENANCE_HEADER;

describe("a swap that is announced", () => {
  it("stands in a header of every answer, refusals and unknown paths too, until it is over", async () => {
    const harness = createHarness();
    const paths = ["/health/live", "/api/queue", "/api/tasks/none", "/nothing"];
    const headers = () => Promise.all(paths.map(async (path) => (await harness.send("GET", path)).headers.get(HEADER)));

    const before = await headers();
    harness.api.announceMaintenance({ version: "2.0.0" });
    const meanwhile = await headers();
    const denied = await harness.api.app.request("http://127.0.0.1:7433/api/queue", {}, {});
    harness.api.announceMaintenance(undefined);
    const after = await headers();

    expect(before).toEqual(paths.map(() => null));
    expect(meanwhile).toEqual(paths.map(() => "2.0.0"));
    expect([denied.status, denied.headers.get(HEADER)]).toEqual([401, "2.0.0"]);
    expect(after).toEqual(before);
  });

  it("is a frame without a number in every open stream of events, at its begin and its end", async () => {
    const harness = createHarness();
    const open = () => harness.send("GET", "/api/events", undefined, { accept: "text/event-stream" });
    const streams = [await open(), await open()];

    harness.api.announceMaintenance({ version: "2.0.0" });
    harness.api.announceMaintenance(undefined);
    harness.api.close();
    const texts = await Promise.all(streams.map((stream) => stream.text()));

    for (const text of texts) {
      const frames = text.split("\n\n").filter((frame) => frame.includes("event: maintenance"));
      expect(frames.map((frame) => frame.split("\n"))).toEqual([
        ["event: maintenance", 'data: {"on":true,"version":"2.0.0"}'],
        // The release that answers now; the harness's node is of 1.2.3.
        ["event: maintenance", 'data: {"on":false,"version":"1.2.3"}'],
      ]);
    }
  });
});
