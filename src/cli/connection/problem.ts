/** The API's problem documents (RFC 9457), as failures that a person can act on. */
import type { Failure, FailureCode, FieldFault } from "#base";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Fault } from "../output/console.ts";
import type { Location } from "./locate.ts";

/** What was asked of the node, for the message: `submit the task`. */
export type Asked = { readonly action: string; readonly location: Location };

/**
 * @param document the parsed body, undefined when it was no JSON. A body that is no problem document comes from
 * something else that answers at this address, a proxy for example, and is reported as that.
 */
export function problemFault(status: number, document: unknown, { action, location }: Asked): Fault {
  const problem = readProblem(document);
  if (problem === undefined) {
    return {
      failure: {
        kind: "terminal",
        code: "unavailable",
        message: `${action}: ${location.url} answered with status ${status}, but not as a drover node does`,
        remedy: "Check the address (--url, DROVER_URL) and any proxy between",
      },
      exit: EXIT.unreachable,
    };
  }
  if (status === 401) {
    return {
      failure: {
        kind: "refused",
        code: "invalid",
        message: `${action}: the node at ${location.url} does not know the token from ${location.tokenSource}`,
        remedy: "Name the state directory of that node with --state DIR, or set DROVER_TOKEN to its token",
      },
      exit: EXIT.failed,
      document,
    };
  }
  const failure: Failure = {
    kind: status >= 500 || status === 429 ? "retryable" : "refused",
    code: problem.code,
    message: `${action}: ${problem.detail === "" ? problem.title : problem.detail}`,
    ...(problem.remedy === undefined ? {} : { remedy: problem.remedy }),
    ...(problem.faults.length === 0 ? {} : { faults: problem.faults }),
  };
  return { failure, exit: exitOf(problem.code), document };
}

function exitOf(code: FailureCode): ExitCode {
  return code === "timed_out" ? EXIT.timedOut : EXIT.failed;
}

type ReadProblem = {
  readonly title: string;
  readonly detail: string;
  readonly code: FailureCode;
  readonly remedy: string | undefined;
  readonly faults: readonly FieldFault[];
};

function readProblem(document: unknown): ReadProblem | undefined {
  if (typeof document !== "object" || document === null) return undefined;
  const fields = document as Record<string, unknown>; // `as`: any object may be read by name
  const title = fields["title"];
  if (typeof title !== "string") return undefined;
  const text = (name: string): string | undefined => {
    const field = fields[name];
    return typeof field === "string" ? field : undefined;
  };
  const incident = text("incident");
  const remedy = text("remedy") ?? (incident === undefined ? undefined : `Look for ${incident} in the node's log`);
  return {
    title,
    detail: text("detail") ?? "",
    // `as`: only compared with known codes; a code of a newer node matches none of them.
    code: (text("code") ?? "internal") as FailureCode,
    remedy,
    faults: readFaults(fields["errors"]),
  };
}

function readFaults(value: unknown): readonly FieldFault[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown) => {
    if (typeof entry !== "object" || entry === null) return [];
    const { path, reason } = entry as Record<string, unknown>; // `as`: any object may be read by name
    return typeof path === "string" && typeof reason === "string" ? [{ path, reason }] : [];
  });
}
