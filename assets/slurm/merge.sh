#!/bin/bash
# The report of an audit, when all parts of its heat map have ended, whichever way: says which
# are missing, if any.
#SBATCH --job-name={{ job }}-report
#SBATCH --output="{{ logs }}/slurm-report-%j.out"
#SBATCH --open-mode=append
#SBATCH --cpus-per-task={{ cpus }}
{%- for line in directives %}
#SBATCH {{ line }}
{%- endfor %}
{%- for line in setup %}
{{ line }}
{%- endfor %}
{{ program }} audit --merge {{ args }}
