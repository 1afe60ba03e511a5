/** A message that hands over one open file (SCM_RIGHTS, unix(7)). The launcher reads this: it loads no room. */
import { cPointer } from "./kernel.ts";

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const CONTROL_HEADER_BYTES = 16;

/** struct msghdr with one byte of data and room for one descriptor; the parts live as long as the message. */
export function descriptorMessage(fd: number) {
  const data = new Uint8Array(1);
  const vector = new Uint8Array(BigUint64Array.of(cPointer(data), 1n).buffer);
  const control = new Uint8Array(CONTROL_HEADER_BYTES + 8);
  const controlView = new DataView(control.buffer);
  controlView.setBigUint64(0, BigInt(CONTROL_HEADER_BYTES + 4), true);
  controlView.setInt32(8, SOL_SOCKET, true);
  controlView.setInt32(12, SCM_RIGHTS, true);
  controlView.setInt32(CONTROL_HEADER_BYTES, fd, true);
  const header = new Uint8Array(56);
  const view = new DataView(header.buffer);
  view.setBigUint64(16, cPointer(vector), true);
  view.setBigUint64(24, 1n, true);
  view.setBigUint64(32, cPointer(control), true);
  view.setBigUint64(40, BigInt(control.length), true);
  return { header, control, data, vector };
}

/** @returns the descriptor that was received; below 0 when there was none. */
export function descriptorOf({ control }: Pick<ReturnType<typeof descriptorMessage>, "control">): number {
  return new DataView(control.buffer).getInt32(CONTROL_HEADER_BYTES, true);
}
