/** Endpoints as a person reads them. Pure. */
import type { Client, SuccessOf } from "../connection/api.ts";
import { ageText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import type { Tone } from "../output/terminal.ts";

type Found = SuccessOf<Awaited<ReturnType<Client["api"]["endpoints"]["$get"]>>>;
export type Endpoint = Found["endpoints"][number];
/** Of another node, as that told it. */
export type Elsewhere = Found["elsewhere"][number];

const HEALTH: Readonly<Record<Endpoint["health"], { readonly word: string; readonly tone: Tone }>> = {
  healthy: { word: "healthy", tone: "good" },
  unknown: { word: "unknown", tone: "faint" },
  open: { word: "down", tone: "bad" },
  halfOpen: { word: "recovering", tone: "warn" },
};

export function healthWord({ health }: Pick<Endpoint, "health">): string {
  return HEALTH[health].word;
}

export function healthTone({ health }: Pick<Endpoint, "health">): Tone {
  return HEALTH[health].tone;
}

export function elsewhereColumns(nowMs: number): readonly Column<Elsewhere>[] {
  return [
    { title: "NODE", value: ({ nodeName }) => nodeName, shrinks: true },
    { title: "ID", value: ({ id }) => id, shrinks: true },
    { title: "KIND", value: ({ kind }) => kind, optional: true },
    { title: "HEALTH", value: healthWord, tone: healthTone },
    { title: "MODELS", value: ({ models }) => String(models), align: "right", optional: true },
    { title: "LOADED", value: ({ loaded }) => loaded.map(({ name }) => name).join(", ") || "-", shrinks: true },
    { title: "RUNNING", value: ({ requests }) => String(requests), align: "right" },
    {
      title: "SAID",
      value: ({ toldAtMs }) => `${ageText(toldAtMs, nowMs)} ago`,
      tone: ({ isFresh }) => (isFresh ? undefined : "warn"),
      align: "right",
    },
  ];
}
