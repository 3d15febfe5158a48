#!/bin/sh
# Makes the two workspaces of the demo and serves them as soon as there are mistakes to look at.
# Their embeddings follow while the dashboard runs, and stop with it; what a stop leaves undone the
# next demo goes on with.
set -eu

log=$(mktemp)
PYTHONUNBUFFERED=1 "$BIN/python" -m pipelines run digits transients --jobs 2 --first predictions \
    > "$log" 2>&1 &
run=$!
trap 'kill $run 2> /dev/null || true; rm -f "$log"' EXIT
trap 'exit 130' INT TERM

# Its lines are shown until the dashboard takes the terminal.
tail -n +1 -f "$log" &
shown=$!
while kill -0 $run 2> /dev/null && ! grep -q "^All runs have come as far" "$log"; do sleep 0.5; done
sleep 0.5
kill $shown
grep -q "^All runs have come as far" "$log" || wait $run

"$BIN/streamlit" run dashboard/app.py --server.port "$PORT"
