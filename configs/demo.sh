#!/bin/sh
# Start the built-in expert as a paid API on loopback, run the demo against it, and stop it again. Options are handed
# on to the run: sh configs/demo.sh --until teach
set -eu
BRIDGE_DISTILL=${BRIDGE_DISTILL:-bridge-distill}
BRIDGE_DEMO_KEY="demo-$$"
export BRIDGE_DEMO_KEY
said=$(mktemp)

"$BRIDGE_DISTILL" teacher serve --provider expert --port 0 --key-env BRIDGE_DEMO_KEY >"$said" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -f "$said"' EXIT
trap 'exit 130' INT TERM

waited=0
until url=$(grep -o 'http://[^ ]*' "$said"); do
    kill -0 "$server" 2>/dev/null || exit 1
    waited=$((waited + 1))
    [ "$waited" -lt 300 ] || { echo "the expert did not start" >&2; exit 1; }
    sleep 0.2
done
"$BRIDGE_DISTILL" run configs/demo.yaml --set "teacher.base_url=$url" "$@"
