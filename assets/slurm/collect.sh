#!/bin/bash
# Gathers the sweep {{ name }} when all of its tasks have ended, whichever way.
#SBATCH --job-name={{ job }}-collect
#SBATCH --output="{{ logs }}/slurm-collect-%j.out"
#SBATCH --open-mode=append
{%- for line in collect_directives %}
#SBATCH {{ line }}
{%- endfor %}
{%- for line in setup %}
{{ line }}
{%- endfor %}
{{ program }} sweep status {{ root }}
{{ program }} sweep collect {{ root }}
