#!/bin/bash
# A part of the heat map of an audit: {{ parts }} of them in an array.
#SBATCH --job-name={{ job }}
#SBATCH --output="{{ logs }}/slurm-%A_%a.out"
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --cpus-per-task={{ cpus }}
#SBATCH --signal=B:USR1@{{ lead }}
{%- for line in directives %}
#SBATCH {{ line }}
{%- endfor %}

# Every frequency is kept as soon as it is measured. USR1 comes {{ lead }} s before the time limit:
# queue again, and go on from there; not for ever, where nothing comes of it.
child=
again=
trap 'again=1; [ -z "$child" ] || kill "$child" 2>/dev/null' USR1
{%- for line in setup %}
{{ line }}
{%- endfor %}
set -u

{{ program }} audit --shard "$SLURM_ARRAY_TASK_ID/{{ parts }}" {{ args }} &
child=$!
[ -z "$again" ] || kill "$child"
while kill -0 "$child" 2>/dev/null; do wait "$child"; done
wait "$child"
code=$?
if [ "$code" != 0 ] && [ -n "$again" ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 50 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
