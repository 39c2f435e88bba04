#!/usr/bin/env bash
# up.sh DIR: private one-node SLURM, all state under DIR (new or empty, short path). Then: . DIR/env
# Needs: apt-get install -y --no-install-recommends slurm-wlm munge. Ready in about a second.
set -euo pipefail
D=$(mkdir -p "$1"; cd "$1"; pwd -P); H=$(hostname -s); U=$(id -un); P=${SLURM_TEST_PORT:-16817}
[ -z "$(ls -A "$D")" ] || { echo "$D not empty" >&2; exit 2; }
mkdir "$D"/{munge,ctld,slurmd,log,run}; chmod 755 "$D" "$D"/munge
( umask 077; head -c 1024 /dev/urandom >"$D/munge/munge.key" )
cat >"$D/slurm.conf" <<C
ClusterName=ci
SlurmctldHost=$H(127.0.0.1)
SlurmUser=$U
SlurmdUser=$U
SlurmctldPort=$P
SlurmdPort=$((P+1))
AuthInfo=socket=$D/munge/munge.socket,cred_expire=5
StateSaveLocation=$D/ctld
SlurmdSpoolDir=$D/slurmd
SlurmctldPidFile=$D/run/slurmctld.pid
SlurmdPidFile=$D/run/slurmd.pid
SlurmctldLogFile=$D/log/slurmctld.log
SlurmdLogFile=$D/log/slurmd.log
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0
ReturnToService=2
KillWait=3
MinJobAge=3600
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=$H NodeAddr=127.0.0.1 CPUs=8 RealMemory=4096 State=UNKNOWN
PartitionName=main   Nodes=$H Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=$H MaxTime=INFINITE State=UP PriorityTier=10
C
echo "export SLURM_CONF=$D/slurm.conf" >"$D/env"; . "$D/env"
bg() { n=$1; shift; "$@" >"$D/log/$n.out" 2>&1 </dev/null & echo $! >"$D/run/$n.bgpid"; }
bg munged munged --foreground --force --key-file="$D/munge/munge.key" --socket="$D/munge/munge.socket" \
   --pid-file="$D/munge/munged.pid" --seed-file="$D/munge/seed" --log-file="$D/munge/munged.log"
for _ in $(seq 100); do munge -n -S "$D/munge/munge.socket" >/dev/null 2>&1 && break; sleep 0.05; done
bg slurmctld slurmctld -D
bg slurmd slurmd -D -N "$H"
for _ in $(seq 200); do
  [ "$(sinfo -h -N -o %T 2>/dev/null | sort -u)" = idle ] && exit 0; sleep 0.1
done
echo "SLURM node never became idle" >&2; tail -n 20 "$D"/log/*.out >&2; exit 1
