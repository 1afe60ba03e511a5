/** What commands of tasks do all day; each must exit with 0 in every mode. A sandbox in which nothing runs stops every attack too. */

export type OrdinaryWork = { readonly name: string; readonly script: string };

export const ORDINARY_WORK: readonly OrdinaryWork[] = [
  {
    name: "write, rename, read, delete",
    script: "mkdir -p d/e && echo hi > d/a && mv d/a d/e/b && grep -q hi d/e/b && rm -r d",
  },
  {
    name: "run a program from the temporary folder",
    script: 'd=$(mktemp -d) && cp /bin/true "$d/t" && "$d/t"; r=$?; rm -r "$d"; exit $r',
  },
  { name: "pipes and subshells", script: "(seq 1000; echo end) | head -n 3 | wc -l | grep -q 3" },
  { name: "a pipe whose reader leaves", script: "bash -c 'yes | head -n 1 >/dev/null; test ${PIPESTATUS[0]} = 141'" },
  { name: "a temporary file", script: 'f=$(mktemp) && echo x > "$f" && rm "$f"' },
  { name: "a home of its own", script: 'touch "$HOME/.rc" && rm "$HOME/.rc" && cd && test "$PWD" = "$HOME"' },
  { name: "perl with modules", script: "perl -MFile::Temp -MPOSIX -e 'print getpid' | grep -q ." },
  { name: "background work and wait", script: "for i in 1 2 3 4; do sleep 0.02 & done; wait" },
  {
    name: "standard streams by name",
    script:
      "echo x > /dev/stdout; echo y > /dev/stderr; echo z > /dev/null; head -c 4 /dev/urandom | wc -c | grep -q 4",
  },
  {
    name: "git status, diff and log",
    script:
      "git status --porcelain >/dev/null && git log -1 --format=%s | grep -q first && echo x > f.txt && git add -N f.txt && git diff --stat | grep -q f.txt; r=$?; git reset -q; rm -f f.txt; exit $r",
  },
  {
    name: "commit in its own repository",
    script:
      "rm -rf n && git init -q n && cd n && git commit -q --allow-empty -m x && git log -1 >/dev/null; r=$?; cd ..; rm -rf n; exit $r",
  },
  {
    name: "work in a repository deeper in the workspace, and delete it",
    script:
      "cd vendor/x && echo x > f && git add f && git commit -qm x && git log --format=%s | grep -q '^x$' && cd ../.. && rm -rf vendor",
  },
  { name: "processors are counted", script: "test $(nproc) -ge 1 && grep -q . /proc/meminfo" },
  {
    name: "make an executable and run it",
    script: "printf '#!/bin/sh\\nexit 0\\n' > run.sh && chmod +x run.sh && ./run.sh; r=$?; rm -f run.sh; exit $r",
  },
  { name: "its own processes are seen", script: "test -d /proc/$$ && kill -0 $$ && (sleep 5 & kill $!)" },
  { name: "users have names", script: "getent passwd root >/dev/null" },
];
