import type { Api, Client, SuccessOf } from "../connection/api.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit-codes.ts";
import { bytesText, freeText, instantText, percentText } from "../output/quantities.ts";
import type { Column } from "../output/table.ts";
import { oneLine } from "../output/text.ts";
import type { Handler } from "../parsing/command.ts";
import { facts } from "../tasks/task-text.ts";

type Hardware = SuccessOf<Awaited<ReturnType<Client["api"]["hw"]["$get"]>>>;

type History = SuccessOf<Awaited<ReturnType<Client["api"]["hw"]["history"]["$get"]>>>;
type Point = History["points"][number];

export const hardware: Handler<{ readonly history: string | undefined }> = async ({ options }, context) => {
  const { console } = context;
  const api = await context.connect();
  if (!api.ok) return console.fail(api.error);
  if (options.history !== undefined) return showHistory(api.value, options.history, console);
  const found = await api.value.ask("look at the hardware", (client) => client.api.hw.$get());
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else printHardware(found.value, console);
  return EXIT.ok;
};

async function showHistory(api: Api, window: string, console: CommandContext["console"]): Promise<number> {
  const found = await api.ask("look at the history", (client) => client.api.hw.history.$get({ query: { window } }));
  if (!found.ok) return console.fail(found.error);
  if (console.json) console.document(found.value);
  else if (found.value.points.length === 0) console.note("Nothing was sampled within that time.");
  else console.table(found.value.points, HISTORY_COLUMNS);
  return EXIT.ok;
}

const HISTORY_COLUMNS: readonly Column<Point>[] = [
  { title: "MINUTE", value: ({ atMs }) => instantText(atMs).slice(0, 16) },
  { title: "BUSY", value: ({ sample }) => percentText(figure(sample, "cpuLoadRatioMean")), align: "right" },
  { title: "BUSIEST", value: ({ sample }) => percentText(figure(sample, "cpuLoadRatioMax")), align: "right" },
  { title: "LEAST FREE", value: ({ sample }) => sizeText(figure(sample, "ramAvailableBytesMin")), align: "right" },
  { title: "GRAPHICS", value: ({ sample }) => gpusText(sample["gpus"]), shrinks: true },
];

/** A sample of another release may lack a figure: that is unknown, as null is. */
function figure(sample: Readonly<Record<string, unknown>>, name: string): number | null {
  const value = sample[name];
  return typeof value === "number" ? value : null;
}

function sizeText(bytes: number | null): string {
  return bytes === null ? "unknown" : bytesText(bytes);
}

function gpusText(gpus: unknown): string {
  if (!Array.isArray(gpus) || gpus.length === 0) return "-";
  const texts = gpus.map((gpu: unknown) => {
    const known: Readonly<Record<string, unknown>> = typeof gpu === "object" && gpu !== null ? { ...gpu } : {};
    return `${percentText(figure(known, "loadRatioMean"))} busy, ${sizeText(figure(known, "vramUsedBytesMax"))} used`;
  });
  return texts.join("; ");
}

function printHardware({ cpu, ram, gpus, gpusKnown, disk, notes }: Hardware, console: CommandContext["console"]): void {
  const pairs: [string, string][] = [
    ["processor", [cpu.model ?? "unknown", ...countTexts(cpu.availableCount, cpu.logicalCount)].join(", ")],
    [
      "load",
      `${percentText(cpu.loadRatio)}${cpu.loadAverage === null ? "" : ` (average ${cpu.loadAverage.join(", ")})`}`,
    ],
    ["memory", `${freeText(ram.availableBytes, ram.totalBytes)}${ram.limitedBy === "cgroup" ? ", by its cgroup" : ""}`],
  ];
  if (disk !== null) pairs.push(["disk", freeText(disk.availableBytes, disk.totalBytes)]);
  if (gpus.length === 0) pairs.push(["graphics", gpusKnown ? "none found" : "not known yet"]);
  for (const gpu of gpus) {
    const parts = [
      `${freeText(gpu.vramFreeBytes, gpu.vramBytes)}${gpu.unified ? ", shared with the processor" : ""}`,
      ...(gpu.loadRatio === null ? [] : [`${percentText(gpu.loadRatio)} busy`]),
      ...(gpu.powerWatts === null ? [] : [`${Math.round(gpu.powerWatts)} W`]),
      ...(gpu.temperatureCelsius === null ? [] : [`${gpu.temperatureCelsius} °C`]),
    ];
    pairs.push(["graphics", `${gpu.name}: ${parts.join(", ")}`]);
  }
  for (const line of facts(pairs, console.out)) console.line(line);
  for (const note of notes) console.note(oneLine(note));
}

function countTexts(available: number | null, logical: number | null): readonly string[] {
  if (available === null) return logical === null ? [] : [`${logical} threads`];
  const rounded = Math.round(available * 100) / 100;
  return [logical === null || logical === available ? `${rounded} threads` : `${rounded} of ${logical} threads`];
}
