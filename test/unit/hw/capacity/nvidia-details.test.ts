import { describe, expect, it } from "vitest";
import type { Gpu } from "../../../../src/hw/capacity/host-capacity.ts";
import { MEBIBYTE } from "../../../../src/hw/capacity/known-number.ts";
import { parseNvidiaPartitions, withPartitions } from "../../../../src/hw/capacity/nvidia-partitions.ts";
import { parseNvidiaProcesses, withProcesses } from "../../../../src/hw/capacity/nvidia-processes.ts";

const A = "GPU-5f1c9a3e-0b7d-4c21-9e44-3a8f1d2b6c70";
const B = "GPU-c2de0a81-77f4-1b3c-8d12-90ab34cd56ef";

const gpu = (id: string, more: Partial<Gpu> = {}): Gpu => ({
  vendor: "nvidia",
  id,
  name: "NVIDIA A100",
  vramBytes: 40_960 * MEBIBYTE,
  vramUsedBytes: 1_000 * MEBIBYTE,
  loadRatio: null,
  powerWatts: 43,
  temperatureCelsius: 33,
  unified: false,
  driver: "535",
  processes: null,
  ...more,
});

const partition = (index: number, instance: number, compute: number, total: number, used: number): string => `
      <mig_device>
        <index>${index}</index>
        <gpu_instance_id>${instance}</gpu_instance_id>
        <compute_instance_id>${compute}</compute_instance_id>
        <fb_memory_usage>
          <total>${total} MiB</total>
          <reserved>0 MiB</reserved>
          <used>${used} MiB</used>
          <free>${total - used} MiB</free>
        </fb_memory_usage>
        <bar1_memory_usage><total>32767 MiB</total><used>2 MiB</used></bar1_memory_usage>
      </mig_device>`;

const xml = (devices: string): string => `<?xml version="1.0" ?>
<nvidia_smi_log>
  <gpu id="00000000:18:00.0">
    <product_name>NVIDIA A100-PCIE-40GB</product_name>
    <mig_mode><current_mig>Enabled</current_mig></mig_mode>
    <mig_devices>${devices}
    </mig_devices>
    <uuid>${A}</uuid>
    <fb_memory_usage><total>40960 MiB</total><used>N/A</used></fb_memory_usage>
  </gpu>
  <gpu id="00000000:19:00.0">
    <mig_devices>None</mig_devices>
    <uuid>${B}</uuid>
  </gpu>
</nvidia_smi_log>`;

describe("partitions of a divided GPU", () => {
  it("stand in its place, each with its own memory, and memory shared by two programs counts once", () => {
    const text = xml(
      partition(0, 1, 0, 19_968, 14_366) + partition(1, 5, 0, 9_856, 13) + partition(2, 5, 1, 9_856, 13),
    );
    const reading = { gpus: [gpu(A), gpu(B)], dividedIds: [A], notes: [] };

    const { gpus, notes } = withPartitions(reading, parseNvidiaPartitions(text));

    expect(
      gpus.map(({ id, vramBytes, vramUsedBytes, powerWatts }) => [id, vramBytes, vramUsedBytes, powerWatts]),
    ).toEqual([
      [`${A}/1`, 19_968 * MEBIBYTE, 14_366 * MEBIBYTE, null],
      [`${A}/5`, 9_856 * MEBIBYTE, 13 * MEBIBYTE, null],
      [B, 40_960 * MEBIBYTE, 1_000 * MEBIBYTE, 43],
    ]);
    expect(notes).toEqual([]);
  });

  it("leave the size of their GPU unknown when they cannot be read: no model may count on all of it", () => {
    const reading = { gpus: [gpu(A)], dividedIds: [A], notes: ["earlier"] };

    const unread = withPartitions(reading, null);
    const none = withPartitions(reading, parseNvidiaPartitions(xml("")));

    expect(unread.gpus[0]).toMatchObject({ id: A, vramBytes: null, vramUsedBytes: null });
    expect(unread.notes).toEqual(["earlier", expect.stringContaining("could not be read")]);
    expect(none.notes).toEqual(["earlier", expect.stringContaining("no partition")]);
  });

  it("with impossible figures have unknown ones", () => {
    const byGpu = parseNvidiaPartitions(xml(partition(0, 1, 0, 9_856, 99_999)));

    expect(byGpu.get(A)).toEqual([{ instance: 1, id: null, vramBytes: 9_856 * MEBIBYTE, vramUsedBytes: null }]);
  });
});

describe("processes on GPUs", () => {
  const output = `gpu_uuid, pid, used_gpu_memory [MiB]\n${A}, 4711, 5120\n${A}, 4712, [N/A]\n${A}, [N/A], 7\n${B}, 12, 300\n`;

  it("are listed with the GPU they are on; a GPU without any has an empty list", () => {
    const gpus = withProcesses([gpu(A), gpu("GPU-idle")], parseNvidiaProcesses(output));

    expect(gpus.map(({ processes }) => processes)).toEqual([
      [
        { pid: 4_711, vramBytes: 5_120 * MEBIBYTE },
        { pid: 4_712, vramBytes: null },
      ],
      [],
    ]);
  });

  it("are unknown when the answer is none", () => {
    expect(withProcesses([gpu(A)], parseNvidiaProcesses("No devices were found\n"))[0]?.processes).toBeNull();
  });
});
