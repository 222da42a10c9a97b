#!/bin/bash
# Segment and measure a folder of studies on the nodes of one Slurm job, by a Dask scheduler and a worker a task:
#
#     sbatch pipelines/slurm_predict.sh MODEL STUDIES OUT [options of medseg predict]
#
# MODEL, STUDIES, OUT and this environment have to be seen by every node under the same paths. The same command goes on
# where a job ended: five minutes before its time is up the job finishes what has begun and lets the rest be.
# Over the lines below, sbatch takes options of its own: sbatch --nodes=8 --gpus-per-task=1 --time=24:00:00 ...
#SBATCH --job-name=medseg
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
#SBATCH --signal=B:INT@300
set -euo pipefail

model=$1 studies=$2 out=$3
shift 3
python=${MEDSEG_PYTHON:-python}
mkdir -p "$out"
address_file=$(mktemp -p "$out" .scheduler-XXXXXX.json)
rm "$address_file"
loopback=(--no-dashboard --dashboard-address 127.0.0.1:0)
# Where the job has GPUs, each task has its own, and a case takes one.
gpu=()
if [[ -n ${SLURM_GPUS_ON_NODE:-} || -n ${SLURM_GPUS_PER_TASK:-} ]]; then
    gpu=(--resources GPU=1)
fi

started=()
end() {
    trap - EXIT
    ((${#started[@]} == 0)) || kill "${started[@]}" 2>/dev/null || true
    rm -f "$address_file"
}
trap end EXIT

# The scheduler listens on the name by which the other nodes know this one.
"$python" -m distributed.cli.dask_scheduler --host "$(hostname)" --port 0 "${loopback[@]}" \
    --scheduler-file "$address_file" &
started+=($!)
until [[ -s $address_file ]]; do
    kill -0 "${started[0]}"
    sleep 0.5
done
address=$("$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' "$address_file")

# One case at a time a task, with all its processors. A worker whose process dies is started again.
srun "$python" -m distributed.cli.dask_worker "$address" --nthreads 1 --memory-limit 0 --death-timeout 120 \
    --local-directory "${TMPDIR:-/tmp}" "${loopback[@]}" "${gpu[@]}" &
started+=($!)

"$python" -m medseg predict "$model" "$studies" --out "$out" --cluster "$address" "$@" &
predict=$!
started+=("$predict")
trap 'kill -INT "$predict"' INT TERM
code=0
wait "$predict" || code=$?
while kill -0 "$predict" 2>/dev/null; do # a signal ended the waiting, not the run, which finishes what has begun
    code=0
    wait "$predict" || code=$?
done
exit "$code"
