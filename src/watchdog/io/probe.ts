import { connect } from "node:net";
import { err, ok, type Result, retryable } from "#base";
import type { ProbeConfig } from "../process-spec.ts";
import { registerOwn } from "./orphans.ts";

/** An answer that takes longer is none; below the interval between probes. */
const LIMIT_MS = 4_000;

/** @returns why it failed, as a clause: `GET http://… answered 503`. */
export async function runProbe(probe: ProbeConfig, env: Readonly<Record<string, string>>): Promise<Result<void>> {
  switch (probe.kind) {
    case "http":
      return httpProbe(probe.url);
    case "tcp":
      return tcpProbe(probe.host, probe.port);
    case "command":
      return commandProbe(probe.command, env);
  }
}

async function httpProbe(url: string): Promise<Result<void>> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(LIMIT_MS), redirect: "manual", keepalive: false });
    await response.body?.cancel();
    return response.ok ? ok(undefined) : failed(`GET ${url} answered ${response.status}`);
  } catch (cause) {
    return failed(`GET ${url} failed: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

function tcpProbe(host: string, port: number): Promise<Result<void>> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: LIMIT_MS });
    const end = (result: Result<void>): void => {
      socket.destroy();
      resolve(result);
    };
    socket.on("connect", () => end(ok(undefined)));
    socket.on("timeout", () => end(failed(`${host}:${port} did not answer within ${LIMIT_MS} ms`)));
    socket.on("error", (cause) => end(failed(`${host}:${port} refuses connections: ${cause.message}`)));
  });
}

async function commandProbe(command: readonly string[], env: Readonly<Record<string, string>>): Promise<Result<void>> {
  try {
    const child = Bun.spawn([...command], {
      env: { ...env },
      stdio: ["ignore", "ignore", "ignore"],
      timeout: LIMIT_MS,
      killSignal: "SIGKILL",
    });
    registerOwn(child);
    const code = await child.exited;
    return code === 0 ? ok(undefined) : failed(`${command.join(" ")} ended with ${child.signalCode ?? code}`);
  } catch (cause) {
    return failed(
      `${command.join(" ")} could not be started: ${cause instanceof Error ? cause.message : String(cause)}`,
    );
  }
}

function failed(reason: string): Result<void> {
  return err(retryable("unavailable", reason));
}
