package main

import (
	"strings"
	"testing"
)

// What shells are told when they ask for completions: the words, then a colon and
// the sum of 2 (no space after it), 4 (no file names), 8 (files of these
// extensions) and 16 (folders).
func TestComplete(t *testing.T) {
	for _, tc := range []struct {
		line string // up to the word that is begun, which ends it
		want string
	}{
		{"ev", "evaluate :4"},
		{"--config ", "yaml yml :8"},
		{"check --config runs/", "yaml yml :8"},
		{"--resume ", "auto :4"},
		{"--resume a", "auto :4"},
		{"--resume runs/x", "safetensors :8"},
		{"--out ", ":16"},
		{"--epochs ", ":4"},
		{"evaluate --checkpoint ", "safetensors :8"},
		{"evaluate --split ", "val train test :4"},
		{"crossval --group ", ":4"},
		{"runs ", ":16"},
		{"sweep --set model.norm=", "model.norm=batch model.norm=none :4"},
		{"evaluate --data ", ":16"},
		{"evaluate ", ":4"},
		{"predict --input ", ":0"},
		{"export --out ", ":0"},
		{"export --format ", "safetensors pytorch onnx :4"},
		{"import --format ", "coco labelme voc cityscapes :4"},
		{"init --encoder ", "unet efficientnet_lite0 efficientnet_lite1 efficientnet_lite2 mobilenetv2_100 resnet18 resnet34 :4"},
		{"import --data ", ":0"},
		{"import --images ", ":16"},
		{"synth --seed ", ":4"},
		{"inspect ", "safetensors pth pt :8"},
		{"predict ", ":0"},
		{"predict --set data.", "data.max_pixels= data.palette= :6"},
		{"completion z", "zsh :4"},
		{"--set model.", "model.base_channels= model.decoder_channels= model.deep_supervision= model.depth= model.dropout= model.encoder= model.freeze= model.init= model.norm= model.up= :6"},
		{"--set model.norm=", "model.norm=batch model.norm=none :4"},
		{"--set model.norm=b", "model.norm=batch :4"},
		{"--set kernel=avx", "kernel=avx512 kernel=avx2 :4"},
		{"weights --set loss.class_weights=e", "loss.class_weights=enet loss.class_weights=effective_number :4"},
		{"--set loss.allow_absent_classes=", "loss.allow_absent_classes=false loss.allow_absent_classes=true :4"},
		{"--set train.epochs=", ":4"},
		{"--set no.such", ":6"},
	} {
		t.Run(tc.line, func(t *testing.T) {
			var got []string
			for line := range strings.Lines(must(t, append([]string{"__complete"}, strings.Split(tc.line, " ")...)...)) {
				word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
				got = append(got, word)
			}
			if got := strings.Join(got, " "); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
	t.Run("descriptions", func(t *testing.T) {
		if got := must(t, "__complete", "--set", "train.ep"); !strings.HasPrefix(got, "train.epochs=\tpasses over the training set\n") {
			t.Errorf("got %q", got)
		}
	})
}

// A script completes for the name that the program was called by.
func TestCompletionScripts(t *testing.T) {
	for shell, want := range map[string]string{
		"bash": "complete -o default -F __start_unet unet", "zsh": "#compdef unet", "fish": "complete -c unet ", "powershell": "-CommandName 'unet'",
	} {
		var stdout, stderr strings.Builder
		code := execute(t.Context(), []string{"completion", shell}, &program{name: "unet", stdout: &stdout, stderr: &stderr})
		if code != 0 || !strings.Contains(stdout.String(), want) {
			t.Errorf("%s: exit code %d, %s%s\nwant %q in it", shell, code, stdout.String(), stderr.String(), want)
		}
	}
	check(t, command(t, "completion"), 2, []string{"train: train completion: want one of bash, zsh, fish, powershell"})
	check(t, command(t, "completion", "sh"), 2, []string{"train: train completion sh: want one of bash, zsh, fish, powershell"})
}
