/** The repositories of the configuration, in the words of the repos room. */
import { err, ok, type Result, refused } from "#base";
import { type Repository, repositorySchema } from "#repos";
import type { RepositorySetting } from "../config/repository-settings.ts";

/** @returns a failure that names the first that is wrong, with the field. */
export function configuredRepositories(settings: readonly RepositorySetting[]): Result<readonly Repository[]> {
  const found: Repository[] = [];
  for (const setting of settings) {
    if (found.some(({ name }) => name === setting.name)) {
      return err(refused("invalid", `two repositories of the configuration are called ${setting.name}`, "Rename one"));
    }
    const parsed = repositorySchema.safeParse(inputOf(setting));
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const where = `repos.${setting.name}${issue === undefined ? "" : `.${issue.path.join(".")}`}`;
      return err(refused("invalid", `${where}: ${issue?.message ?? "is wrong"}`, "Correct it in the configuration"));
    }
    found.push(parsed.data);
  }
  return ok(found);
}

function inputOf({ forge, autonomy, checks, ...rest }: RepositorySetting): object {
  const { api_url: apiUrl, token_file: tokenFile, ...forgeRest } = forge;
  const { at_most: atMost, merge_below: mergeBelow, ask_from: askFrom, outside } = autonomy;
  const { after_merge: afterMerge, ...commands } = checks;
  return known({
    ...rest,
    forge: known({ ...forgeRest, apiUrl, tokenFile }),
    autonomy: known({ atMost, mergeBelow, askFrom, outside }),
    checks: known({ ...commands, afterMerge }),
  });
}

/** Without the fields that say nothing: the schema takes no undefined for a default. */
function known(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined));
}
