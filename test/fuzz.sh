#!/bin/sh
# Runs every fuzz target of the module for the given time each (default 30s).
set -eu
cd "$(dirname "$0")/.."
time="${1:-30s}"
count=0
for file in $(grep -rl --include='*_test.go' '^func Fuzz' internal cmd test/benchhost); do
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		echo "== $target in $(dirname "$file")"
		go test -tags nomsgpack -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1x "./$(dirname "$file")"
		count=$((count + 1))
	done
done
echo "$count fuzz targets ran for $time each"
[ "$count" -gt 0 ]
