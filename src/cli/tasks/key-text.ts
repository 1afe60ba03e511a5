/** Keys and their limits, as a table. Pure. */
import type { KeyView } from "#api";
import type { Column } from "../output/table.ts";

export function keyColumns(): readonly Column<KeyView>[] {
  return [
    { title: "KEY", value: ({ key }) => key, shrinks: true },
    { title: "RUNNING", value: ({ running }) => String(running), align: "right" },
    { title: "NEXT", value: ({ admitted }) => String(admitted), align: "right" },
    { title: "AT ONCE", value: ({ policy }) => limit(policy.maxConcurrent), align: "right" },
    { title: "PER SECOND", value: ({ policy }) => limit(policy.ratePerSecond), align: "right" },
    { title: "BURST", value: ({ policy }) => String(policy.burst), align: "right", optional: true },
    { title: "WEIGHT", value: ({ policy }) => String(policy.weight), align: "right", optional: true },
    {
      title: "PAUSED",
      value: ({ policy }) => (policy.paused ? "paused" : "-"),
      tone: ({ policy }) => (policy.paused ? "warn" : "faint"),
    },
  ];
}

function limit(value: number | null): string {
  return value === null ? "-" : String(value);
}
