/** @returns `████░░░░ 50 %`, in ASCII where the terminal has no more. */
export function progressBar(ratio: number, columns: number, unicode: boolean): string {
  const bounded = Math.min(1, Math.max(0, ratio));
  const full = Math.floor(bounded * columns);
  const [done, open] = unicode ? ["█", "░"] : ["#", "-"];
  const percent = `${Math.floor(bounded * 100)} %`.padStart(5);
  return `${done.repeat(full)}${open.repeat(columns - full)}${percent}`;
}
