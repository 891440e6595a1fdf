#!/bin/sh
# What is checked before each commit, in two lanes for two cores. What did not change since the last time is kept in
# node_modules/.cache; of the unit tests, those run that the uncommitted changes reach. With --whole, as `npm test` calls it,
# nothing is kept, and no test runs.
cd "$(dirname "$0")/.." || exit 1
cache=node_modules/.cache
if [ "${1-}" = --whole ]; then
  cache=$(mktemp -d) || exit 1
  trap 'rm -rf "$cache"' EXIT
fi
(
  set -e
  tsc --noEmit -p . --incremental --tsBuildInfoFile "$cache/tsc.json"
  depcruise core engine operator probe cmd test scripts bench --output-type err
  knip --cache --cache-location "$cache/knip"
) &
types=$!
(
  set -e
  prettier --log-level warn --check --cache --cache-location "$cache/prettier.json" .
  node scripts/check-lock-file.ts
  node scripts/generate-versions.ts --check
  node scripts/generate-types.ts --check
  node scripts/generate-docs.ts --check
  eslint . --max-warnings 0 --cache --cache-location "$cache/eslint.json"
  [ "${1-}" = --whole ] || vitest run --project core --project unit --changed --passWithNoTests
)
rest=$?
wait "$types" && exit "$rest"
exit 1
