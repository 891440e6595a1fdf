#!/bin/sh
# Everything that is tested, in the order of what fails fastest. The last line is `N passed, N failed, N skipped`.
set -eu
prettier --log-level warn --check .
node scripts/check-lock-file.ts
node scripts/generate-types.ts --check
node scripts/generate-docs.ts --check
tsc --noEmit -p .
eslint . --max-warnings 0
depcruise core engine operator probe cmd test scripts bench
knip
node test/setup/packages.ts
node scripts/build.ts
exec vitest run "$@"
