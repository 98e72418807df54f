#!/usr/bin/env bash
# A run on a Cloud TPU slice of any number of hosts, preemptible, started again until it has ended.
#
#   launch/tpu_pod.sh NAME ZONE TYPE gs://BUCKET/RUN -- --config=configs/dsprites.py
#   DRY_RUN=1 launch/tpu_pod.sh pod us-central2-b v4-16 gs://mine/run -- --config=configs/dsprites.py
#
# The checkout is copied to all hosts of a new slice and installed there. Process 0, on worker 0,
# alone writes the run's folder; it is copied to the bucket every minute, and back before a start. A
# copy that was interrupted is no harm: a checkpoint counts once its list of checksums is there, which is
# copied last, and only if it was there before the files were. The slice is deleted at the end; where
# you stop the script, delete it yourself. Where none is free it is asked for again without end. After
# exit code 1, of a program's error or of gcloud's own where the slice is gone, the run is started again
# 20 times at most: RESTARTS. A copy or an installation that fails is one of them. Where a connection was
# cut, what still trains on the hosts saves and ends before the next start.
set -euo pipefail
if [[ $# -lt 5 || $5 != -- ]]; then
  echo "usage: $0 NAME ZONE TYPE gs://BUCKET/RUN -- flags of cvae_jax.main" >&2
  exit 2
fi
name=$1 zone=$2 type=$3 bucket=$4
shift 5
for flag in "$@"; do  # nothing but run/ is copied to the bucket
  if [[ $flag =~ ^--?workdir(=|$) ]]; then
    echo "leave out $flag: the run's folder is the bucket's" >&2
    exit 2
  fi
done
flags=$(printf '%q ' "$@")
remote=$(printf '%q' "$bucket")  # as the hosts' shells read it
version=${TPU_VERSION:-tpu-ubuntu2204-base}

run() {
  if [[ -n ${DRY_RUN:-} ]]; then printf '%q ' "$@"; echo; else "$@"; fi
}
tpu() { run gcloud compute tpus tpu-vm "$1" "$name" --zone="$zone" "${@:2}"; }
state() { [[ -n ${DRY_RUN:-} ]] || gcloud compute tpus tpu-vm describe "$name" --zone="$zone" --format='value(state)' 2>/dev/null || true; }

# scp brings the checkout's own .venv along, whose paths are those of another machine. The image's python3
# may be older than the package takes, 3.10 on Ubuntu 22.04: then uv brings another, and pip by --seed.
install="cd cvae_jax && rm -rf .venv && if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'"
install+="; then python3 -m venv .venv"
install+="; else python3 -m pip install -q uv && python3 -m uv venv -q --seed --python 3.12 .venv; fi"
install+=' && .venv/bin/python -m pip install -q -e ".[tpu]"'
# An empty bucket is a new run; any other failure must not become one.
fetch="mkdir -p cvae_jax/run; found=\$(gcloud storage ls $remote 2>&1) || case \$found in
  *'matched no objects'*) exit 0 ;; *) echo \"\$found\" >&2; exit 1 ;; esac
gcloud storage rsync -r $remote cvae_jax/run"
# Lists last, and those alone that were there at first and still are, so that a checkpoint's is never
# there without its files, also where one is saved or removed in the meantime.
keep="(rm -rf lists; mkdir lists"
keep+="; (cd run && find . -name sha256.json -exec cp --parents -t ../lists {} +)"
keep+="; gcloud storage rsync -r --exclude='(^|.*/)sha256\.json\$' run $remote || exit"
keep+="; (cd lists && find . -name sha256.json | while read -r x; do [ -e ../run/\$x ] || rm \$x; done)"
keep+="; [ -z \"\$(find lists -type f)\" ] || gcloud storage rsync -r lists $remote)"
first='[ $(hostname | grep -c "w-0\$") = 1 ]'
# A connection that is cut leaves what it started at work, and a second run beside that is refused. So it is
# told to end, once, as a second SIGTERM would end it unsaved; all of it, its last copy included, holds
# the lock. One that hangs resumes from its last checkpoint.
stop='cd cvae_jax; exec 9>pod.lock; flock -n 9 && exit'
stop+='; mv pod.pid told 2>/dev/null && xargs kill <told; flock -w 600 9 && exit'
stop+='; xargs kill -KILL <told; flock -w 120 9'
# With -m a job is a group of processes, and a copy under way ends with its loop; the loop with its shell.
train="set -m; cd cvae_jax; exec 9>pod.lock; flock -w 60 9 || exit 1; rm -f told"
train+="; if $first; then (while sleep 60 && kill -0 \$\$; do $keep; done) & fi"
train+="; (echo \$BASHPID >pod.pid; exec .venv/bin/python -m cvae_jax.main --multihost --workdir=run $flags)"
train+="; code=\$?; rm -f pod.pid; if $first; then kill %1; wait %1 2>/dev/null; $keep || code=75; fi; exit \$code"

create() { tpu create --accelerator-type="$type" --version="$version" --preemptible; }
prepare() {  # `doing` names what failed
  doing='copying the checkout'
  run gcloud compute tpus tpu-vm scp --recurse . "$name:cvae_jax" --zone="$zone" --worker=all || return
  doing='installing it'
  tpu ssh --worker=all --command="$install" || return
  doing="fetching $bucket"
  tpu ssh --worker=0 --command="$fetch"
}
start() {
  if [[ -z $prepared ]]; then prepare || return 1; fi  # an error, whatever gcloud's code
  prepared=yes
  doing='ending what a cut connection left'
  tpu ssh --worker=all --command="$stop" || return  # on all hosts before a first one starts: they meet
  doing='the run'
  tpu ssh --worker=all --command="$train"
}

created='' prepared='' errors=0
trap 'echo "stopped; $name may still be there, and cost: look with gcloud" >&2; exit 130' INT TERM
while true; do
  now=$(state)
  if [[ $now != READY || -z $created ]]; then
    if [[ -n $now ]]; then  # else there is none, or the network is cut
      created=''
      tpu delete --quiet || true
    fi
    if ! create; then
      echo "no slice yet; tried again" >&2
      sleep "${PAUSE:-30}"
      continue
    fi
    created=yes prepared=''
  fi
  code=0
  start || code=$?
  if ((code == 1)); then errors=$((errors + 1)); fi
  # done, or an error that a restart would not fix
  if ((code == 0 || code == 2 || errors > ${RESTARTS:-20})); then
    ((code == 0)) || echo "$doing ended with code $code" >&2
    tpu delete --quiet
    exit "$code"
  fi
  echo "$doing ended with code $code; started again" >&2
  sleep "${PAUSE:-30}"
done
