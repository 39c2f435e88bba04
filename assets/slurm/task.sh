#!/bin/bash
# A task of the sweep {{ name }}: does the runs of its line of {{ list }}.
#SBATCH --job-name={{ job }}
#SBATCH --output="{{ logs }}/slurm-%A_%a.out"
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --cpus-per-task={{ cpus }}
#SBATCH --signal=B:USR1@{{ lead }}
{%- for line in directives %}
#SBATCH {{ line }}
{%- endfor %}

# USR1 comes {{ lead }} s before the time limit: checkpoint, and queue again. TERM comes with scancel
# and with preemption: checkpoint; SLURM queues again what it preempts.
child=
again=
stopped=
stop() { stopped=1; trap : USR1 TERM; [ -z "$child" ] || kill -s TERM "$child" 2>/dev/null; }
trap 'again=1; stop' USR1
trap stop TERM
{%- for line in setup %}
{{ line }}
{%- endfor %}
set -u

# Arrays larger than the site allows are several; the first argument is where this one begins.
line=$((SLURM_ARRAY_TASK_ID + ${1:-0}))
runs=$(sed -n "${line}p" {{ list }})
if [ -z "$runs" ]; then echo "no line $line in "{{ list }} >&2; exit 1; fi

{{ program }} sweep run {{ root }} --only "$runs" --jobs {{ jobs }} --threads {{ threads }}
{%- if gpus %} ${CUDA_VISIBLE_DEVICES:+--gpus "$CUDA_VISIBLE_DEVICES"}{% endif %}
{%- if retry %} --retry{% endif %} &
child=$!
[ -z "$stopped" ] || kill -s TERM "$child"
# A signal ends `wait`, and not the child.
while kill -0 "$child" 2>/dev/null; do wait "$child"; done
wait "$child"
code=$?
if [ "$code" = 75 ] && [ -n "$again" ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
