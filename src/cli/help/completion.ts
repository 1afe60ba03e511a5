/** Completion scripts for shells, from the command table. Pure. */
import type { Command } from "../parsing/command.ts";
import { GLOBAL_OPTIONS } from "../parsing/global-options.ts";
import { flagName, type Options } from "../parsing/option.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** Values of these names are paths, which the shell completes. */
const PATH_VALUE_NAMES: ReadonlySet<string> = new Set(["FILE", "DIR"]);

export function completionScript(shell: Shell, commands: readonly Command[]): string {
  const shown = commands.filter(({ hidden }) => !hidden);
  switch (shell) {
    case "bash":
      return bash(shown);
    case "zsh":
      // zsh runs bash completions after bashcompinit; one script then serves both and cannot drift.
      return [
        "# Completion of drover for zsh. Load it in .zshrc with: source <(drover completion zsh)",
        "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }",
        "autoload -Uz bashcompinit && bashcompinit",
        bash(shown),
      ].join("\n");
    case "fish":
      return fish(shown);
  }
}

function firstWords(commands: readonly Command[]): readonly string[] {
  return [...new Set(commands.map(({ name }) => name.split(" ")[0] ?? ""))];
}

function secondWords(first: string, commands: readonly Command[]): readonly string[] {
  return commands.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name.slice(first.length + 1));
}

function optionWords(options: Options): readonly string[] {
  return Object.entries(options)
    .filter(([, option]) => option.hidden !== true)
    .map(([key]) => flagName(key));
}

/** What follows an option that takes a value: a word list, paths, or nothing. */
function valueCases(commands: readonly Command[]): readonly string[] {
  const all = new Map<string, Options[string]>();
  for (const options of [GLOBAL_OPTIONS, ...commands.map(({ options: own }) => own)]) {
    for (const [key, option] of Object.entries<Options[string]>(options)) all.set(key, option);
  }
  return [...all].flatMap(([key, option]) => {
    if (option.valueName === null) return [];
    if (option.choices !== undefined) {
      return [`    ${flagName(key)}) COMPREPLY=($(compgen -W '${option.choices.join(" ")}' -- "$current")); return ;;`];
    }
    if (PATH_VALUE_NAMES.has(option.valueName)) {
      return [
        `    ${flagName(key)}) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;`,
      ];
    }
    return [`    ${flagName(key)}) return ;;`];
  });
}

function bash(commands: readonly Command[]): string {
  const groups = firstWords(commands).filter((word) => secondWords(word, commands).length > 0);
  const valued = Object.entries<Options[string]>(GLOBAL_OPTIONS)
    .filter(([, option]) => option.valueName !== null)
    .map(([key]) => flagName(key));
  const offers = commands.map((command) => {
    const words = [...optionWords(command.options), ...command.arguments.flatMap(({ choices }) => choices ?? [])];
    return `    '${command.name}') words='${words.join(" ")}' ;;`;
  });
  const paths = commands
    .filter((one) => one.arguments.some(({ name }) => PATH_VALUE_NAMES.has(name)))
    .map(({ name }) => `'${name}'`);
  return `# Completion of drover. Load it with: source <(drover completion bash)
_drover() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="" first="" second="" index word skip=0 words=""
  COMPREPLY=()
  ((COMP_CWORD > 0)) && previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    if ((skip)); then skip=0; continue; fi
    case "$word" in
      --) return ;;
      ${valued.join("|")}) skip=1 ;;
      -*) ;;
      *) if [[ -z "$first" ]]; then first="$word"; elif [[ -z "$second" ]]; then second="$word"; fi ;;
    esac
  done
  case "$previous" in
${valueCases(commands).join("\n")}
  esac
  if [[ -z "$first" && "$current" != -* ]]; then
    COMPREPLY=($(compgen -W '${firstWords(commands).join(" ")}' -- "$current"))
    return
  fi
  if [[ -z "$second" && "$current" != -* ]]; then
    case "$first" in
${groups.map((group) => `      ${group}) COMPREPLY=($(compgen -W '${secondWords(group, commands).join(" ")}' -- "$current")); return ;;`).join("\n")}
    esac
  fi
  local name="$first"
  case "$first" in
    ${groups.join("|")}) name="$first $second" ;;
  esac
  case "$name" in
${offers.join("\n")}
  esac
  if [[ "$current" == -* ]]; then
    COMPREPLY=($(compgen -W "$words ${optionWords(GLOBAL_OPTIONS).join(" ")} --help" -- "$current"))
    return
  fi
  case "$name" in
    ${paths.join("|")}) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
  esac
}
complete -F _drover drover
`;
}

function fish(commands: readonly Command[]): string {
  const lines = [
    "# Completion of drover. Load it with: drover completion fish | source",
    "complete -c drover -f",
    ...Object.entries<Options[string]>(GLOBAL_OPTIONS).map(([key, option]) => fishOption("", key, option)),
    "complete -c drover -l help -s h -d 'Show help'",
  ];
  const firsts = firstWords(commands);
  for (const first of firsts) {
    const alone = commands.find(({ name }) => name === first);
    const about = alone?.summary ?? `${first} commands`;
    lines.push(`complete -c drover -n __fish_use_subcommand -a ${first} -d ${quoted(about)}`);
    const seconds = secondWords(first, commands);
    for (const second of seconds) {
      const about2 = commands.find(({ name }) => name === `${first} ${second}`)?.summary ?? "";
      const condition = `__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${seconds.join(" ")}`;
      lines.push(`complete -c drover -n ${quoted(condition)} -a ${second} -d ${quoted(about2)}`);
    }
  }
  for (const command of commands) {
    const condition = command.name
      .split(" ")
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join("; and ");
    for (const [key, option] of Object.entries(command.options)) {
      if (option.hidden !== true) lines.push(fishOption(condition, key, option));
    }
    const offered = command.arguments.flatMap(({ choices }) => choices ?? []);
    if (offered.length > 0) lines.push(`complete -c drover -n ${quoted(condition)} -a ${quoted(offered.join(" "))}`);
    if (command.arguments.some(({ name }) => PATH_VALUE_NAMES.has(name))) {
      lines.push(`complete -c drover -n ${quoted(condition)} -F`);
    }
  }
  return `${lines.join("\n")}\n`;
}

function fishOption(condition: string, key: string, option: Options[string]): string {
  const parts = ["complete -c drover"];
  if (condition !== "") parts.push(`-n ${quoted(condition)}`);
  parts.push(`-l ${flagName(key).slice(2)}`);
  if (option.short !== undefined) parts.push(`-s ${option.short}`);
  if (option.valueName !== null) {
    parts.push("-r");
    if (option.choices !== undefined) parts.push(`-a ${quoted(option.choices.join(" "))}`);
    else if (PATH_VALUE_NAMES.has(option.valueName)) parts.push("-F");
  }
  parts.push(`-d ${quoted(option.description)}`);
  return parts.join(" ");
}

/** For fish, where only the quote itself and the backslash are special between single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
