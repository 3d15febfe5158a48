#!/bin/sh
# Makes the two workspaces of the demo and serves them as soon as there are mistakes to look at.
# The embeddings follow while the dashboard runs, and stop with it; what a stop leaves undone the
# next demo goes on with.
set -eu

"$BIN/python" -m pipelines run digits transients --jobs 2 --until predictions

"$BIN/python" -m pipelines run digits transients --jobs 2 > /dev/null 2>&1 &
rest=$!
trap 'kill $rest 2> /dev/null || true' EXIT
trap 'exit 130' INT TERM

echo "Embeddings follow in the background; the overview says how far they are."
"$BIN/streamlit" run dashboard/app.py --server.port "$PORT"
