#!/bin/sh
# What is checked before each commit, at once on all cores: the whole tree's types, lint, imports, unused code and generated
# files; of what was not committed, the format, and the unit tests of each file (test/ mirrors the folders). With --whole, as
# `npm test` calls it, the whole tree's format, and the types by tsc besides oxlint's own reading of them; no test.
cd "$(dirname "$0")/.." || exit 1
changed=$(git diff --name-only --diff-filter=d HEAD && git ls-files --others --exclude-standard)

# The unit tests that changed, and those of the files that changed.
tests() {
  for file in $changed; do
    case $file in
      test/core/*.test.ts* | test/engine/*.test.ts* | test/probe/*.test.ts* | test/operator/*.test.ts* | test/cmd/*.test.ts* | test/scripts/*.test.ts*)
        echo "$file" ;;
      *.ts | *.tsx)
        for test in "test/${file%.*}.test.ts" "test/${file%.*}.test.tsx"; do [ ! -f "$test" ] || echo "$test"; done ;;
    esac
  done | sort -u
}

lanes=
lane() {
  "$@" &
  lanes="$lanes $!"
}
generated() {
  node scripts/check-lock-file.ts &&
    node scripts/generate-versions.ts --check &&
    node scripts/generate-types.ts --check &&
    node scripts/generate-docs.ts --check
}

lane oxlint --type-check --quiet
lane depcruise core engine operator probe cmd test scripts bench --output-type err
lane knip
lane generated
if [ "${1-}" = --whole ]; then
  lane prettier --log-level warn --check .
  lane tsc --noEmit -p .
else
  # shellcheck disable=SC2086 # A file of this project has no space in its name.
  [ -z "$changed" ] || lane prettier --log-level warn --check --ignore-unknown $changed
  found=$(tests)
  # shellcheck disable=SC2086
  [ -z "$found" ] || lane vitest run --project core --project unit $found
fi
failed=0
for each in $lanes; do wait "$each" || failed=1; done
exit "$failed"
