/** Bytes as text that is safe in headers, URLs and file names (RFC 4648, section 5), in its one canonical form. Pure. */

/** @returns the bytes, or undefined when the text is not base64url without padding, or has unused bits that are not zero. */
export function decodeBase64url(text: string): Uint8Array | undefined {
  if (text.length % 4 === 1 || !/^[A-Za-z0-9_-]*$/.test(text)) return undefined;
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  // Unused bits that are not zero would give one value several texts.
  return encodeBase64url(bytes) === text ? bytes : undefined;
}

export function encodeBase64url(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
