/**
 * A supervised process that can be made to fail: `faulty-child-main.ts SOCKET TAG`. It says over the socket that it is
 * ready, then that it lives, and does what it is told there. TAG stands in the command line of whatever it starts.
 */

import { writeSync } from "node:fs";
import { connect } from "node:net";

/** Far below the limit of the harness. */
const BEAT_EVERY_MS = 50;
const FLOOD_BYTES = 16 * 1024 * 1024;
/** Taken bit by bit, since taking it at once would pass for a hang. */
const HOARD_STEP_BYTES = 16 * 1024 * 1024;
const HOARD_BYTES = 400 * 1024 * 1024;

const [socketPath = "", tag = ""] = process.argv.slice(2);
const kept: Uint8Array[] = [];

const faults: Readonly<Record<string, () => void>> = {
  exit: () => process.exit(3),
  busyLoop: () => {
    for (;;) kept.pop();
  },
  flood: () => {
    const line = Buffer.from(`${"flood ".repeat(20)}\n`.repeat(512));
    for (let sent = 0; sent < FLOOD_BYTES; sent += line.length) writeSync(1, line);
    process.exit(9);
  },
  grandchildren: () => {
    // One that stays in the group, one in a session of its own without parent, one that also cleared its environment.
    const script = `sleep ${tag} & setsid sh -c 'sleep ${tag} & exit' & setsid sh -c 'env -i sleep ${tag} & exit' & wait %2 %3`;
    Bun.spawnSync(["sh", "-c", script], { stdio: ["ignore", "ignore", "ignore"] });
    process.exit(4);
  },
  memory: () => {
    setInterval(() => {
      if (kept.length * HOARD_STEP_BYTES < HOARD_BYTES) kept.push(new Uint8Array(HOARD_STEP_BYTES).fill(1));
    }, BEAT_EVERY_MS);
  },
};

const socket = connect(socketPath);
socket.on("data", (data) => faults[data.toString().trim()]?.());
socket.on("close", () => process.exit(5));
socket.on("error", () => process.exit(6));
socket.write("ready\n");
setInterval(() => socket.write("beat\n"), BEAT_EVERY_MS);
