#!/bin/sh
# What is checked before each commit, in two lanes for two cores. Types, lint and format are kept in node_modules/.cache, so
# that only what changed is checked again; of the unit tests, those run that the uncommitted changes reach. A whole run, with
# nothing kept, is `npm test`.
cd "$(dirname "$0")/.." || exit 1
cache=node_modules/.cache
(
  set -e
  tsc --noEmit -p . --incremental --tsBuildInfoFile "$cache/tsc.json"
  depcruise core engine operator probe cmd test scripts bench --output-type err
  knip --cache --cache-location "$cache/knip"
) &
types=$!
(
  set -e
  prettier --log-level warn --check --cache .
  node scripts/check-lock-file.ts
  node scripts/generate-types.ts --check
  node scripts/generate-docs.ts --check
  eslint . --max-warnings 0 --cache --cache-location "$cache/eslint"
  vitest run --project unit --changed --passWithNoTests
)
rest=$?
wait "$types" && exit "$rest"
exit 1
