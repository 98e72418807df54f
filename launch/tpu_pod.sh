#!/usr/bin/env bash
# A run on a Cloud TPU slice of any number of hosts, preemptible, started again until it has ended.
#
#   launch/tpu_pod.sh NAME ZONE TYPE gs://BUCKET/RUN -- --config=configs/dsprites.py
#   DRY_RUN=1 launch/tpu_pod.sh pod us-central2-b v4-16 gs://mine/run -- --config=configs/dsprites.py
#
# The checkout is copied to all hosts and installed there. Process 0, on worker 0, alone writes the
# run's folder; it is copied to the bucket every minute, and back before a start. A copy that was
# cut is no harm: a checkpoint counts once its list of checksums is there, which is copied last.
# The slice is deleted at the end.
set -euo pipefail
if [[ $# -lt 5 || $5 != -- ]]; then
  echo "usage: $0 NAME ZONE TYPE gs://BUCKET/RUN -- flags of cvae_jax.main" >&2
  exit 2
fi
name=$1 zone=$2 type=$3 bucket=$4
shift 5
flags=$(printf '%q ' "$@")
version=${TPU_VERSION:-tpu-ubuntu2204-base}

run() {
  if [[ -n ${DRY_RUN:-} ]]; then printf '%q ' "$@"; echo; else "$@"; fi
}
tpu() { run gcloud compute tpus tpu-vm "$1" "$name" --zone="$zone" "${@:2}"; }
state() { [[ -n ${DRY_RUN:-} ]] || gcloud compute tpus tpu-vm describe "$name" --zone="$zone" --format='value(state)' 2>/dev/null || true; }

on_all='cd cvae_jax && python3 -m venv .venv && .venv/bin/pip install -q -e ".[tpu]"'
fetch="mkdir -p cvae_jax/run && (gcloud storage rsync -r $bucket cvae_jax/run || true)"
# Lists last, so that a checkpoint's is never there without its files.
keep="gcloud storage rsync -r --exclude='sha256.json' run $bucket && gcloud storage rsync -r run $bucket"
train="cd cvae_jax && if [ \$(hostname | grep -c 'w-0\$') = 1 ]; then (while sleep 60; do $keep; done) & fi"
train+="; .venv/bin/python -m cvae_jax.main --multihost --workdir=run $flags; code=\$?"
train+="; if [ \$(hostname | grep -c 'w-0\$') = 1 ]; then kill %1; $keep; fi; exit \$code"

while true; do
  now=$(state)
  if [[ $now != READY ]]; then
    [[ -z $now ]] || tpu delete --quiet
    tpu create --accelerator-type="$type" --version="$version" --preemptible
    run gcloud compute tpus tpu-vm scp --recurse . "$name:cvae_jax" --zone="$zone" --worker=all
    tpu ssh --worker=all --command="$on_all"
    tpu ssh --worker=0 --command="$fetch"
  fi
  code=0
  tpu ssh --worker=all --command="$train" || code=$?
  # done, or an error that told its remedy: a restart would not mend it
  if [[ $code == 0 || $code == 2 ]]; then
    tpu delete --quiet
    exit "$code"
  fi
  echo "ended with code $code; started again" >&2
  sleep "${PAUSE:-30}"
done
