#!/bin/sh
# Installs the project's npm packages where they are absent or older than package-lock.json, then runs the command
# with the node that they bring: `npm run demo` and `npm test` work in a fresh clone.
set -eu
cd "$(dirname "$0")/../.."
if ! [ node_modules/.package-lock.json -nt package-lock.json ] || ! [ -x node_modules/.bin/node ]; then
  echo "Installing the npm packages of package-lock.json (about 20 s)." >&2
  npm ci --loglevel=error --no-audit --no-fund >&2
  touch node_modules/.package-lock.json
fi
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
exec "$@"
