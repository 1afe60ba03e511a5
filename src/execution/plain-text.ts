/** CSI, OSC (ended by BEL or ST) and the other escape sequences of ECMA-48. */
const ESCAPES =
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]{0,4096}(?:\u0007|\u001b\\)|[PX^_][^\u001b]{0,4096}\u001b\\|[ -/]*[0-~])/g;
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

/**
 * Removes terminal escape sequences and control characters other than tab and newlines. A command's output must not
 * be able to move the cursor, set the title or fill the clipboard (OSC 52) of whoever reads it.
 */
export function plainText(text: string): string {
  return text.replace(ESCAPES, "").replace(CONTROLS, "");
}
