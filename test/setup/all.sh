#!/bin/sh
# Everything that is tested, in the order of what fails fastest. The last line is `N passed, N failed, N skipped`.
set -eu
prettier --log-level warn --check .
node config/check-lock-file.ts
node crds/generate.ts --check
node docs/write-findings.ts --check
tsc --noEmit -p .
eslint . --max-warnings 0
node test/setup/packages.ts
node config/build.ts
exec vitest run "$@"
