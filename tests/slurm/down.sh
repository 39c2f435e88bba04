#!/usr/bin/env bash
# down.sh DIR: end the jobs and daemons that up.sh DIR started.
D=$(cd "$1" && pwd -P) || exit 0; . "$D/env"
alive() { case $(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) in ""|Z*) return 1;; esac; }   # zombie = gone
ids=$(squeue -h -o %A 2>/dev/null | sort -u); [ -z "$ids" ] || scancel $ids
for _ in $(seq 60); do [ -z "$(squeue -h 2>/dev/null)" ] && break; sleep 0.1; done
for n in slurmd slurmctld munged; do
  p=$(cat "$D/run/$n.bgpid" 2>/dev/null) || continue
  [ "$(cat "/proc/$p/comm" 2>/dev/null)" = "$n" ] || continue
  kill "$p"; for _ in $(seq 100); do alive "$p" || break; sleep 0.1; done
  alive "$p" && kill -9 "$p"
done; :
