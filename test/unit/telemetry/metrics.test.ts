import { describe, expect, it } from "vitest";
import { MAX_SERIES, MetricRegistry, renderFamilies } from "#telemetry";

describe("the registry", () => {
  it("renders counters and gauges with help and type", async () => {
    const registry = new MetricRegistry();
    const done = registry.counter("drover_done_total", "Tasks done");
    const depth = registry.gauge("drover_depth", "Tasks waiting");
    done.add({ lane: "high" });
    done.add({ lane: "high" }, 2);
    done.add({ lane: "low" });
    depth.set(4);
    depth.set(3);

    expect(await registry.scrape()).toBe(
      [
        "# HELP drover_done_total Tasks done",
        "# TYPE drover_done_total counter",
        'drover_done_total{lane="high"} 3',
        'drover_done_total{lane="low"} 1',
        "# HELP drover_depth Tasks waiting",
        "# TYPE drover_depth gauge",
        "drover_depth 3",
        "",
      ].join("\n"),
    );
  });

  it("takes labels in any order for one series", async () => {
    const registry = new MetricRegistry();
    const counter = registry.counter("drover_a_total", "A");

    counter.add({ a: "1", b: "2" });
    counter.add({ b: "2", a: "1" });

    expect(await registry.scrape()).toContain('drover_a_total{a="1",b="2"} 2\n');
  });

  it("counts a histogram in cumulative buckets, a value on a bound into that bucket", async () => {
    const registry = new MetricRegistry();
    const histogram = registry.histogram("drover_seconds", "Time", [0.1, 1]);
    for (const value of [0.05, 0.1, 0.5, 7]) histogram.observe(value, { route: "/a" });

    const text = await registry.scrape();

    expect(text).toContain('drover_seconds_bucket{route="/a",le="0.1"} 2\n');
    expect(text).toContain('drover_seconds_bucket{route="/a",le="1"} 3\n');
    expect(text).toContain('drover_seconds_bucket{route="/a",le="+Inf"} 4\n');
    expect(text).toContain('drover_seconds_sum{route="/a"} 7.65\n');
    expect(text).toContain('drover_seconds_count{route="/a"} 4\n');
    expect(text).toContain("# TYPE drover_seconds histogram\n");
  });

  it("counts series beyond its limit together, so that a label cannot grow without bound", async () => {
    const registry = new MetricRegistry();
    const counter = registry.counter("drover_a_total", "A");
    for (let index = 0; index < MAX_SERIES + 5; index += 1) counter.add({ name: String(index) });

    const lines = (await registry.scrape()).split("\n").filter((line) => line.startsWith("drover_a_total{"));

    expect(lines).toHaveLength(MAX_SERIES + 1);
    expect(lines).toContain('drover_a_total{overflow="true"} 5');
  });

  it("brings gauges up to date before it answers", async () => {
    const registry = new MetricRegistry();
    const gauge = registry.gauge("drover_depth", "Depth");
    let depth = 1;
    registry.onScrape(async () => {
      gauge.clear();
      gauge.set(depth, { lane: `l${depth}` });
    });

    await registry.scrape();
    depth = 2;

    expect(await registry.scrape()).toBe(
      '# HELP drover_depth Depth\n# TYPE drover_depth gauge\ndrover_depth{lane="l2"} 2\n',
    );
  });

  it("refuses a name twice, a bad name and a counter that falls, as faults of the program", () => {
    const registry = new MetricRegistry();
    const counter = registry.counter("drover_a_total", "A");

    expect(() => registry.gauge("drover_a_total", "A")).toThrow("registered once");
    expect(() => registry.gauge("drover-b", "B")).toThrow("proper name");
    expect(() => counter.add({}, -1)).toThrow("only grows");
  });
});

describe("the text format", () => {
  it("escapes backslashes, line ends and quotes in labels, and no quotes in help", () => {
    const text = renderFamilies([
      {
        name: "a",
        help: 'back\\slash\nand "quotes"',
        type: "gauge",
        samples: [{ name: "a", labels: { path: 'C:\\x\n"y"' }, value: 1 }],
      },
    ]);

    expect(text).toBe('# HELP a back\\\\slash\\nand "quotes"\n# TYPE a gauge\na{path="C:\\\\x\\n\\"y\\""} 1\n');
  });

  it("writes values that are no numbers as the format names them", () => {
    const samples = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((value) => ({
      name: "a",
      labels: {},
      value,
    }));

    expect(renderFamilies([{ name: "a", help: "A", type: "gauge", samples }])).toContain("a NaN\na +Inf\na -Inf\n");
  });

  it("leaves out families without samples", () => {
    expect(renderFamilies([{ name: "a", help: "A", type: "counter", samples: [] }])).toBe("");
  });
});
