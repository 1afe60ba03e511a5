import type { Finding } from "#cli";
import { checkNetwork, chooseSandbox, type SandboxSupport } from "#execution";
import type { Config } from "../config/settings.ts";
import { sandboxPlanOf } from "../models/task-plans.ts";

/** What `doctor` says of the sandbox that this configuration gets on a host that can enforce this much. */
export function sandboxFindings(config: Config, support: SandboxSupport): readonly Finding[] {
  const choice = chooseSandbox(config["sandbox.mode"], support, config["sandbox.allow_unsandboxed"]);
  const plan = sandboxPlanOf(config, support);
  if (!plan.ok) return [finding("sandbox", "fail", plan.error.message, plan.error.remedy)];
  if (!choice.ok) return [finding("sandbox", "fail", choice.error.message, choice.error.remedy)];
  const { mode, reason, commandsRefused } = choice.value;
  const findings = [finding("sandbox", mode === "limits" ? "warn" : "ok", reason)];
  if (commandsRefused !== null) {
    const detail = `refused, so only prompts are carried out, with file tools alone: ${commandsRefused.reason}`;
    return [...findings, finding("commands", "warn", detail, commandsRefused.remedy)];
  }
  const { strict } = support.modes;
  if (mode !== "strict" && !strict.available) {
    const remedy = "Install the package bubblewrap for the strictest mode";
    findings.push(finding("sandbox: strict", "warn", strict.reason, remedy));
  }
  const network = checkNetwork(config["sandbox.network"], mode, support);
  if (!network.ok) {
    const detail = `every attempt is refused: ${network.error.message}`;
    findings.push(finding("sandbox: network", "fail", detail, network.error.remedy));
  }
  return findings;
}

function finding(name: string, level: Finding["level"], detail: string, remedy?: string): Finding {
  return { name, level, detail, remedy: remedy ?? null };
}
