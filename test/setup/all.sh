#!/bin/sh
# Everything that is tested, in the order of what fails fastest. The last line is `N passed, N failed, N skipped`.
set -eu
sh scripts/check.sh --whole
node test/setup/packages.ts
node scripts/build.ts
exec vitest run --coverage "$@"
