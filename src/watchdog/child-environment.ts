/** What a supervised process may inherit: where things are, how to speak to people, networks and GPUs. */
const INHERITED: ReadonlySet<string> = new Set(
  (
    "PATH HOME LANG TERM TZ TMPDIR USER SHELL LOGNAME NO_COLOR LD_LIBRARY_PATH SSL_CERT_FILE SSL_CERT_DIR " +
    "NODE_EXTRA_CA_CERTS HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY http_proxy https_proxy no_proxy all_proxy"
  ).split(" "),
);
/** BUN_* and NODE_OPTIONS are left out because they make a compiled executable run other code (oven-sh/bun#26346). */
const INHERITED_PREFIXES = ["LC_", "XDG_", "DROVER_", "OLLAMA_", "CUDA_", "NVIDIA_", "ROCR_", "HIP_", "HSA_"];
/** A key in an environment is read by whoever sees the process and inherited by whatever it starts. */
const SECRET = /token|secret|passw|key|credential|cookie|auth/i;
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

/** @returns the environment of a supervised process: the allowed part of what this one has, then what is added. */
export function childEnvironment(
  inherited: Readonly<Record<string, string | undefined>>,
  added: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const kept: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const [name, value] of Object.entries(inherited)) {
    if (value === undefined || value === "") continue;
    const isAllowed = INHERITED.has(name) || INHERITED_PREFIXES.some((prefix) => name.startsWith(prefix));
    if (isAllowed && !SECRET.test(name)) kept[name] = value;
  }
  return { ...kept, ...added };
}
