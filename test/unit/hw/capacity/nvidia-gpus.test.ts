import { describe, expect, it } from "vitest";
import { MEBIBYTE } from "../../../../src/hw/capacity/known-number.ts";
import { NVIDIA_FIELDS, parseNvidiaGpus, refusedField } from "../../../../src/hw/capacity/nvidia-gpus.ts";

const HEADER =
  "index, uuid, pci.bus_id, memory.total [MiB], memory.used [MiB], memory.free [MiB], utilization.gpu [%], power.draw [W], temperature.gpu, driver_version, mig.mode.current, name";
const A = "GPU-5f1c9a3e-0b7d-4c21-9e44-3a8f1d2b6c70";
const B = "GPU-c2de0a81-77f4-1b3c-8d12-90ab34cd56ef";

const table = (...rows: readonly string[]): string => [HEADER, ...rows, ""].join("\n");
const only = (output: string) => {
  const reading = parseNvidiaGpus(output);
  return { gpu: reading?.gpus[0], count: reading?.gpus.length, notes: reading?.notes ?? [] };
};

describe("parseNvidiaGpus", () => {
  it("reads every figure of a card, and counts as used what is not free", () => {
    const row = `0, ${A}, 00000000:01:00.0, 24564, 1024, 23152, 37, 112.50, 61, 550.54.14, [N/A], NVIDIA GeForce RTX 4090`;

    const { gpu, notes } = only(table(row));

    expect(gpu).toEqual({
      vendor: "nvidia",
      id: A,
      name: "NVIDIA GeForce RTX 4090",
      vramBytes: 24_564 * MEBIBYTE,
      vramUsedBytes: (24_564 - 23_152) * MEBIBYTE,
      loadRatio: 0.37,
      powerWatts: 112.5,
      temperatureCelsius: 61,
      unified: false,
      driver: "550.54.14",
      processes: null,
    });
    expect(notes).toEqual([]);
  });

  it("reads the columns by their names, whatever their order and company", () => {
    const output = [
      "name, fan.speed [%], memory.used [MiB], uuid, memory.total [MiB], power.draw [W], pstate",
      `Tesla T4, 30 %, 300, ${A}, 15360, 27.10, P8`,
      "",
    ].join("\n");

    const { gpu } = only(output);

    expect(gpu).toMatchObject({
      id: A,
      name: "Tesla T4",
      vramBytes: 15_360 * MEBIBYTE,
      vramUsedBytes: 300 * MEBIBYTE,
      powerWatts: 27.1,
      loadRatio: null,
    });
  });

  it("reads units that stand in the fields although none were asked for, and Windows line ends", () => {
    const output = `uuid, memory.total [MiB], memory.used [MiB], utilization.gpu [%], power.draw [W]\r\n${A}, 8192 MiB, 1 GiB, 5 %, 20.00 W\r\n`;

    const { gpu } = only(output);

    expect(gpu).toMatchObject({
      vramBytes: 8_192 * MEBIBYTE,
      vramUsedBytes: 1_024 * MEBIBYTE,
      loadRatio: 0.05,
      powerWatts: 20,
    });
  });

  // As such cards printed it for their owners: ECC and the driver keep memory that is neither used nor free.
  it.each([
    ["NVIDIA RTX A4000, 15352 MiB, 1 MiB, 15089 MiB, 535.183.06, 28, [N/A]", 263, 28, null],
    ["NVIDIA RTX A6000, 49140 MiB, 35 MiB, 48507 MiB, 550.54.14, [N/A], [N/A]", 633, null, null],
    ["NVIDIA GeForce RTX 4060 Laptop GPU, 8188 MiB, 1048 MiB, 6910 MiB, 566.26, 39, 5.37 W", 1_278, 39, 5.37],
    ["NVIDIA GeForce RTX 3080, 10240, 9029, 1211, 471.68, 54, [N/A]", 9_029, 54, null],
  ])("reads the line of a real card: %s", (line, usedMebibytes, temperatureCelsius, powerWatts) => {
    const header =
      "uuid, name, memory.total [MiB], memory.used [MiB], memory.free [MiB], driver_version, temperature.gpu, power.draw [W]";

    const { gpu, notes } = only(`${header}\n${A}, ${line}\n`);

    expect(gpu).toMatchObject({ vramUsedBytes: usedMebibytes * MEBIBYTE, temperatureCelsius, powerWatts });
    expect(notes).toEqual([]);
  });

  it("keeps GPUs apart when there are several", () => {
    const output = table(
      `0, ${A}, 00000000:01:00.0, 12288, 0, 12288, 0, [N/A], 30, 535.183.01, [N/A], NVIDIA GeForce RTX 3060`,
      `1, ${B}, 00000000:02:00.0, 24576, 24000, 576, 100, 349.9, 83, 535.183.01, [N/A], NVIDIA GeForce RTX 3090`,
    );

    const reading = parseNvidiaGpus(output);

    expect(reading?.gpus.map((gpu) => [gpu.id, gpu.vramUsedBytes, gpu.loadRatio, gpu.powerWatts])).toEqual([
      [A, 0, 0, null],
      [B, 24_000 * MEBIBYTE, 1, 349.9],
    ]);
  });

  it.each(["[N/A]", "[Not Supported]", "N/A"])(
    "takes %s as memory for memory shared with the CPU, not for none",
    (cell) => {
      const row = `0, ${A}, 0000000F:01:00.0, ${cell}, ${cell}, ${cell}, 5, 12.00, 38, 580.126.09, [N/A], NVIDIA GB10`;

      const { gpu, notes } = only(table(row));

      expect(gpu).toMatchObject({
        name: "NVIDIA GB10",
        vramBytes: null,
        vramUsedBytes: null,
        unified: true,
        loadRatio: 0.05,
      });
      expect(notes).toEqual([]);
    },
  );

  it.each(["[Unknown Error]", "ERR!", "[Insufficient Permissions]", "[GPU is lost]", ""])(
    "takes %j as memory for unknown, and says so",
    (cell) => {
      const row = `0, ${A}, 00000000:01:00.0, ${cell}, ${cell}, ${cell}, ERR!, ERR!, ERR!, 535.183.01, [N/A], NVIDIA A10`;

      const { gpu, notes } = only(table(row));

      expect(gpu).toMatchObject({
        vramBytes: null,
        vramUsedBytes: null,
        unified: false,
        loadRatio: null,
        powerWatts: null,
        temperatureCelsius: null,
      });
      expect(notes.join()).toContain("NVIDIA A10");
    },
  );

  it.each([
    ["more used than there is", "24564", "99999", { vramBytes: 24_564 * MEBIBYTE, vramUsedBytes: null }],
    ["a negative use", "24564", "-5", { vramBytes: 24_564 * MEBIBYTE, vramUsedBytes: null }],
    ["no memory at all", "0", "0", { vramBytes: null, vramUsedBytes: null }],
    ["an absurd size", "17592186044415", "3", { vramBytes: null, vramUsedBytes: null }],
  ])("turns %s into unknown, and says so", (_what, total, used, expected) => {
    const row = `0, ${A}, 00000000:01:00.0, ${total}, ${used}, [N/A], 0, 20, 40, 535.183.01, [N/A], NVIDIA A10`;

    const { gpu, notes } = only(table(row));

    expect(gpu).toMatchObject(expected);
    expect(notes.join()).toContain("cannot be");
  });

  it.each([
    ["101", "5001", "151"],
    ["-1", "-3", "-80"],
    ["4294967295", "1000000", "4294967295"],
  ])("takes impossible load %s, power %s and temperature %s for unknown", (load, power, celsius) => {
    const row = `0, ${A}, 00000000:01:00.0, 24564, 10, 24554, ${load}, ${power}, ${celsius}, 1, [N/A], X`;

    const { gpu } = only(table(row));

    expect(gpu).toMatchObject({
      vramBytes: 24_564 * MEBIBYTE,
      loadRatio: null,
      powerWatts: null,
      temperatureCelsius: null,
    });
  });

  it("says which GPUs are divided", () => {
    const output = table(
      `0, ${A}, 00000000:18:00.0, 40960, 37, 40380, [N/A], 43.75, 33, 535.86.10, Enabled, NVIDIA A100-PCIE-40GB`,
      `1, ${B}, 00000000:19:00.0, 40960, 4, 40413, 0, 39.10, 31, 535.86.10, Disabled, NVIDIA A100-PCIE-40GB`,
    );

    const reading = parseNvidiaGpus(output);

    expect(reading?.dividedIds).toEqual([A]);
  });

  it("keeps a GPU whose line has a decimal comma, but none of the figures it shifted", () => {
    const { gpu, notes } = only(
      table(`0, ${A}, 00000000:01:00.0, 24564, 1024, 23152, 37, 112,50, 61, 550.54.14, [N/A], RTX 4090`),
    );

    expect(gpu).toMatchObject({ id: A, vramBytes: null, loadRatio: null, temperatureCelsius: null });
    expect(notes.join()).toContain("does not fit its header");
  });

  it("does not believe a last line that was cut, even when all its fields are there", () => {
    const whole = table(
      `0, ${A}, 00000000:01:00.0, 24564, 1024, 23152, 37, 112.50, 61, 550.54.14, [N/A], NVIDIA GeForce RTX 4090`,
    );

    const inTheName = only(whole.slice(0, -6));
    const inTheId = only(whole.slice(0, HEADER.length + 20));

    expect(inTheName.gpu).toMatchObject({ id: A, vramBytes: null });
    expect(inTheId).toMatchObject({ gpu: undefined, count: 0 });
  });

  it("keeps the other GPUs when one is lost, and passes on the message", () => {
    const output = table(
      `0, ${A}, 00000000:01:00.0, 24564, 0, 24564, 0, 20.00, 30, 535.183.01, [N/A], NVIDIA GeForce RTX 4090`,
      "Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.  Reboot the system to recover this GPU",
    );

    const { count, notes } = only(output);

    expect(count).toBe(1);
    expect(notes).toEqual([expect.stringContaining("GPU is lost")]);
  });

  it("names a GPU by its place on the bus when the driver gives it no id, and counts none twice", () => {
    const row = "0, [N/A], 00000000:01:00.0, 8192, 0, 8192, 0, 20, 30, 390.157, [N/A], Quadro";

    const { gpu, count, notes } = only(table(row, row));

    expect(gpu?.id).toBe("00000000:01:00.0");
    expect(count).toBe(1);
    expect(notes.join()).toContain("more than once");
  });

  it.each([
    "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.183\n",
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n\n",
    "No devices were found\n",
    "\u0000\u0001\u0002, ,,\n,,,\n",
    "",
    "<html>proxy error</html>",
  ])("takes %j for no answer", (output) => {
    expect(parseNvidiaGpus(output)).toBeNull();
  });
});

describe("refusedField", () => {
  it("names the field that an older version does not know", () => {
    expect(refusedField('Field "mig.mode.current" is not a valid field to query.\n\n', NVIDIA_FIELDS)).toBe(
      "mig.mode.current",
    );
  });

  it("names none that was not asked for, and none without which there is nothing to read", () => {
    expect(refusedField('Field "cuda_version" is not a valid field to query.', NVIDIA_FIELDS)).toBeNull();
    expect(refusedField('Field "uuid" is not a valid field to query.', NVIDIA_FIELDS)).toBeNull();
  });
});
