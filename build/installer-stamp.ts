/** What a server of releases adds to install.sh. Pure. */

export type InstallerStamp = {
  /** Empty: the copy knows no server. */
  readonly baseUrl: string;
  /** Ed25519 public keys, 32 bytes in base64 each. */
  readonly rootKeys: readonly string[];
};

/** Forms that need no quoting in a shell. */
const URL_FORM = /^(?:https?:\/\/[A-Za-z0-9/._+@:,=~-]+)?$/;
const KEY_FORM = /^[A-Za-z0-9+/]{43}=$/;

/** @returns the script with its two variables filled in, or what is wrong. */
export function stampInstaller(script: string, stamp: InstallerStamp): string | { readonly fault: string } {
  if (!URL_FORM.test(stamp.baseUrl)) return { fault: `${stamp.baseUrl} is no plain URL of http or https` };
  const bad = stamp.rootKeys.find((key) => !KEY_FORM.test(key));
  if (bad !== undefined) return { fault: `${bad} is not 32 bytes in base64` };
  let text = script;
  for (const [name, value] of [
    ["stamped_base_url", stamp.baseUrl],
    ["stamped_root_keys", stamp.rootKeys.join(" ")],
  ] as const) {
    const line = `\n${name}=''\n`;
    if (text.split(line).length !== 2) return { fault: `install.sh has not exactly one line ${name}=''` };
    text = text.replace(line, `\n${name}='${value}'\n`);
  }
  return text;
}
