/** The libSQL server within this executable, compressed by zstd: `path` names the packed file, the rest is what it unpacks to. */
export type EmbeddedServer = { readonly path: string; readonly sha256: string; readonly bytes: number };

/** The build puts another text in the place of this module (build/server-embed.ts) for each target that has a server. */
export const embeddedServer: EmbeddedServer | undefined = undefined;
