import { storedFields } from "#api";

/** @returns the models that a stored task insists on, in its order. */
export function requiredModels(body: string): readonly string[] {
  const { requires } = storedFields(body);
  if (typeof requires !== "object" || requires === null || Array.isArray(requires) || !("models" in requires))
    return [];
  const { models } = requires;
  return Array.isArray(models) ? models.filter((name) => typeof name === "string") : [];
}
