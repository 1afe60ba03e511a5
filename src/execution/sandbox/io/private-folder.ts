/** The folder of an attempt's own that its commands may use beside the workspace; gone with the attempt. */
import { existsSync, lchownSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { err, type Failure, ok, type Result } from "#base";
import { systemFailure } from "../../io/system-failure.ts";
import type { SandboxUser } from "../launch-order.ts";
import { openUp } from "./repository-baseline.ts";

export type PrivatePlaces = {
  /** HOME of the commands: nothing of the user's own settings. */
  readonly home: string;
  /** TMPDIR of the commands, and their /tmp where the sandbox can change the view. */
  readonly temporary: string;
  /** Readable and never writable: a folder to start a runtime in that reads its settings from where it is. */
  readonly empty: string;
};

/** The least that lets git commit; anything in the repository's or the host's own settings wins. */
const GIT_IDENTITY = "[user]\n\tname = drover\n\temail = drover@localhost\n";

export function privatePlaces(folder: string): PrivatePlaces {
  return { home: join(folder, "home"), temporary: join(folder, "tmp"), empty: join(folder, "empty") };
}

/** Makes the folder, or finds it made. It lies in drover's own state, so no other user gets there. */
export function makePrivateFolder(folder: string, user: SandboxUser | null): Result<PrivatePlaces, Failure> {
  const places = privatePlaces(folder);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o711 });
    mkdirSync(places.empty, { recursive: true, mode: 0o755 });
    const settings = join(places.home, ".gitconfig");
    const isNew = !existsSync(places.home);
    for (const path of [places.home, places.temporary]) {
      mkdirSync(path, { recursive: true, mode: 0o700 });
      if (user !== null) lchownSync(path, user.uid, user.gid);
    }
    if (isNew) writeFileSync(settings, GIT_IDENTITY, { flag: "wx", mode: 0o644 });
    if (isNew && user !== null) lchownSync(settings, user.uid, user.gid);
    return ok(places);
  } catch (error) {
    return err(systemFailure(error, `make the private folder ${folder}`));
  }
}

/** Removes it with everything in it, also what a command made unreadable. Doing it twice is no fault. */
export function removePrivateFolder(folder: string): Result<void, Failure> {
  try {
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      openUp(folder);
      rmSync(folder, { recursive: true, force: true });
    }
    return ok(undefined);
  } catch (error) {
    return err(systemFailure(error, `remove the private folder ${folder}`));
  }
}
