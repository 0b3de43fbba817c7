#!/usr/bin/env bash
# The runs behind README.md here, on the labelled images in DATA, one seed after another:
#
#   configs/results/ablation.sh PROGRAM DATA OUT [SEED...]
#
# Each is a training with one choice changed, and is left alone if it is done. At the end
# stands the list of runs.
set -euo pipefail
program=$1 data=$2 out=$3
seeds=("${@:4}")
[ ${#seeds[@]} -gt 0 ] || seeds=(1)
here=$(dirname "$0")

# run NAME SET KEY=VALUE...
run() {
	local name=$1 set=$2 args=()
	shift 2
	for pair in "$@"; do args+=(--set "$pair"); done
	for seed in "${seeds[@]}"; do
		(cd "$data" && "$program" --config "$here/ablation/$set.yaml" --out "$out/$name-$seed" --resume auto --quiet \
			--set report.pictures=false --set seed="$seed" ${args[@]+"${args[@]}"})
	done
}
program=$(realpath "$program") out=$(realpath -m "$out") here=$(realpath "$here")

for set in camvid4 isbi chase nuclei shapes; do
	run "$set-dataset" $set
	run "$set-dataset-dice" $set loss.dice=0.5
	run "$set-none-dice" $set loss.class_weights=none loss.dice=0.5
	run "$set-enet-dice" $set loss.class_weights=enet loss.dice=0.5
done
large="data.size=[256,256] loss.class_weights=none loss.dice=0.5"
run isbi-none-dice-256 isbi $large data.patches=4 train.batch_size=4
run chase-none-dice-256 chase $large data.patches=8 train.batch_size=4
run chase-none-dice-256-batch2 chase $large data.patches=8 train.batch_size=2
run isbi-none-dice-ema isbi loss.class_weights=none loss.dice=0.5 train.ema=0.99
run nuclei-enet-dice-ema nuclei loss.class_weights=enet loss.dice=0.5 train.ema=0.98
run camvid11-enet-dice camvid11
run camvid11-enet-dice-noscale camvid11 data.augment.scale=[1,1]
run camvid11-none-dice camvid11 loss.class_weights=none
run camvid11-enet-deep camvid11 model.deep_supervision=true
run camvid11-enet-lovasz-deep camvid11 loss.dice=0 loss.lovasz=0.5 model.deep_supervision=true

for set in camvid4 isbi chase; do
	run "$set-lovasz" $set loss.class_weights=none loss.lovasz=0.5
	run "$set-deep" $set loss.class_weights=none loss.dice=0.5 model.deep_supervision=true
done
for set in nuclei shapes; do
	run "$set-enet-lovasz" $set loss.class_weights=enet loss.lovasz=0.5
	run "$set-enet-deep" $set loss.class_weights=enet loss.dice=0.5 model.deep_supervision=true
	run "$set-enet-lovasz-deep" $set loss.class_weights=enet loss.lovasz=0.5 model.deep_supervision=true
done
run shapes-none-lovasz shapes loss.class_weights=none loss.lovasz=0.5
run shapes-dataset-lovasz shapes loss.lovasz=0.5
"$program" runs "$out"
