#!/bin/sh
# A task of the sweep {{ name }}. Its runs are the first argument (row, GNU parallel), or HQ_ENTRY
# (HyperQueue), or the line JOB_COMPLETION_INDEX + 1 of {{ list }} (Kubernetes).
# Exit code 75: stopped by a signal, with a checkpoint to go on from.
{%- if folder %}
cd {{ folder }} || exit 1
{%- endif %}
{%- for line in setup %}
{{ line }}
{%- endfor %}
runs=${1:-${HQ_ENTRY:-}}
if [ -z "$runs" ] && [ -n "${JOB_COMPLETION_INDEX:-}" ]; then
  runs=$(sed -n "$((JOB_COMPLETION_INDEX + 1))p" {{ list }})
fi
if [ -z "$runs" ]; then
  echo "no runs: neither an argument, nor HQ_ENTRY, nor JOB_COMPLETION_INDEX" >&2
  exit 1
fi
exec {{ program }} sweep run {{ root }} --only "$runs" --jobs {{ jobs }} --threads {{ threads }}
{%- if gpus %} --gpus "${CUDA_VISIBLE_DEVICES:-{{ gpus }}}"{% endif %}
{%- if retry %} --retry{% endif %}
