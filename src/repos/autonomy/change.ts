/** What a diff touches, told from paths alone. */

export type Change = {
  readonly path: string;
  readonly added: number;
  readonly removed: number;
  readonly isBinary: boolean;
  readonly isDeleted: boolean;
};

/** Kinds of files whose change says more than its lines. A file may be of several. */
export type PathKind =
  | "test"
  | "document"
  | "dependencies"
  | "configuration"
  | "migration"
  | "ci"
  | "build"
  | "sensitive"
  | "publication";

const KINDS: Readonly<Record<PathKind, RegExp>> = {
  test: /(?:^|\/)(?:tests?|spec|__tests__|testdata|fixtures)\/|(?:[._-](?:test|spec)|_test|Test)\.[a-z0-9]+$|(?:^|\/)test_[^/]+\.py$/i,
  document: /\.(?:md|markdown|rst|adoc|txt)$|(?:^|\/)(?:docs?|LICENSE|NOTICE|AUTHORS)(?:\/|$)/i,
  dependencies:
    /(?:^|\/)(?:package(?:-lock)?\.json|bun\.lockb?|yarn\.lock|pnpm-lock\.yaml|Cargo\.(?:toml|lock)|go\.(?:mod|sum)|requirements[^/]*\.txt|pyproject\.toml|poetry\.lock|uv\.lock|Pipfile(?:\.lock)?|Gemfile(?:\.lock)?|composer\.(?:json|lock)|pom\.xml|build\.gradle(?:\.kts)?|mix\.(?:exs|lock)|flake\.(?:nix|lock))$/,
  configuration: /\.(?:toml|ya?ml|ini|cfg|conf|properties|env)$|(?:^|\/)\.[^/]*rc(?:\.[a-z]+)?$|\.config\.[cm]?[jt]s$/i,
  migration: /(?:^|\/)(?:migrations?|db\/migrate|alembic)\/|\.(?:sql|ddl)$/i,
  ci: /(?:^|\/)(?:\.github|\.gitea|\.forgejo)\/|(?:^|\/)(?:\.gitlab-ci\.ya?ml|Jenkinsfile|\.travis\.yml|azure-pipelines\.yml|\.woodpecker(?:\.ya?ml|\/)|\.circleci\/|\.drone\.ya?ml)/i,
  build:
    /(?:^|\/)(?:Makefile|Dockerfile[^/]*|Containerfile|CMakeLists\.txt|justfile|Rakefile|(?:pre|post|un)?install)$|(?:^|[/_-])(?:(?:pre|post|un)?install|build|configure|bootstrap|setup|package|release|deploy)(?:[_-][^/]*)?\.(?:sh|bash|ps1|bat|cmd)$|(?:^|\/)(?:build|packaging|\.?ci)\/(?:[^/]+\/)*[^/]+\.(?:sh|bash|ps1|bat|cmd)$/i,
  sensitive:
    /(?:^|[/._-])(?:auth|authn|authz|security|crypto|secrets?|permissions?|payments?|billing|sudo|login|password|token)/i,
  publication: /(?:^|\/)(?:\.drover-publish\.toml|\.gitattributes|\.gitmodules|CODEOWNERS)$/,
};

/** @returns what the file at a path is, by its name and where it lies. */
export function kindsOf(path: string): ReadonlySet<PathKind> {
  // `as`: Object.entries forgets the literal types of the keys.
  const found = (Object.entries(KINDS) as [PathKind, RegExp][]).filter(([, pattern]) => pattern.test(path));
  return new Set(found.map(([kind]) => kind));
}

/** @returns whether it is code: neither a test nor a document, nor settings. */
export function isCode(change: Change): boolean {
  const kinds = kindsOf(change.path);
  return !change.isBinary && !kinds.has("test") && !kinds.has("document") && !kinds.has("configuration");
}
