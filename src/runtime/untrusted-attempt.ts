/** What is left to an attempt whose task somebody outside asked for. Pure. */
import { storedFields } from "#api";
import { isUntrusted, type JsonObject } from "#base";
import type { LaunchRequest } from "#execution";

/** By the labels of the stored task, which only the node writes. */
export function isTaskUntrusted(bodyJson: string): boolean {
  const { labels } = storedFields(bodyJson);
  // `as`: an object that is no list has fields.
  return labels !== null && typeof labels === "object" && isUntrusted(labels as JsonObject);
}

/** @returns the request without network, without variables of the node, and without a program that signs in for itself. */
export function leastPrivilege(request: LaunchRequest): LaunchRequest {
  const { sandbox, model } = request;
  const isOpen = sandbox.mode === "limits";
  return {
    ...request,
    model: model === null ? null : { ...model, claudeCommand: null },
    sandbox: {
      ...sandbox,
      allowedHosts: null,
      passedVariables: [],
      commandsRefused: isOpen ? (sandbox.commandsRefused ?? NOT_CONFINED) : sandbox.commandsRefused,
    },
  };
}

const NOT_CONFINED = {
  reason: "the task came from outside, and sandbox mode limits does not keep commands from the files of this host",
  remedy: "Let a node with sandbox mode strict or kernel carry it out",
};
