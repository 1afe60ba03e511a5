/** The parts of docs/operations/mind.md that are made from the source. */
import {
  DEFAULT_RULES,
  DEFAULT_SETTINGS,
  renderDiagram,
  renderGuards,
  renderRemediations,
  renderStates,
  renderThresholds,
} from "../../src/fsm/index.ts";

export const MIND_PAGE = "docs/operations/mind.md";

const PARTS: Readonly<Record<string, () => string>> = {
  diagram: () => `\`\`\`mermaid\n${renderDiagram()}\n\`\`\``,
  guards: renderGuards,
  states: () => renderStates(DEFAULT_SETTINGS),
  thresholds: () => renderThresholds(DEFAULT_SETTINGS),
  remediations: () => renderRemediations(DEFAULT_RULES),
};

const PART = /<!-- generated: (\w+) -->\n[\s\S]*?<!-- end -->/g;

/** @returns the page with each part as the source has it now. */
export function withParts(page: string): string {
  return page.replace(PART, (_part, name: string) => {
    const render = PARTS[name];
    if (render === undefined)
      throw new Error(`${MIND_PAGE}: no part is called ${name}; there are ${Object.keys(PARTS).join(", ")}`);
    return `<!-- generated: ${name} -->\n\n${render()}\n\n<!-- end -->`;
  });
}

/** @returns the parts that a page has. */
export function partsOf(page: string): readonly string[] {
  return [...page.matchAll(PART)].map((match) => match[1] ?? "");
}

export const PART_NAMES: readonly string[] = Object.keys(PARTS);
