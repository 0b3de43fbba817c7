package main

import (
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Names are strangers' text: whatever they hold, a terminal gets letters.
func TestNamesDoNotSteerTheTerminal(t *testing.T) {
	inFolder(t)
	const hostile = "a\x1b[2J\x1b]0;x\x07"
	folderOf(t, "set", image.Pt(16, 16), image.Pt(16, 16), image.Pt(16, 16))
	for _, folder := range []string{"images", "masks"} {
		if err := os.Rename(filepath.Join("set", folder, "0.png"), filepath.Join("set", folder, hostile+".png")); err != nil {
			t.Fatal(err)
		}
	}
	classes := []string{"--set", `data={source: folder, train: set, val: set, classes: ["` + `a\e[2J", "b\e]0;x\a"], synthetic: {}}`}
	checkpoint := "run/checkpoints/last.safetensors"
	for _, args := range [][]string{
		tiny(classes...),
		append([]string{"check", "--config", "tiny.yaml"}, classes...),
		append([]string{"weights", "--config", "tiny.yaml"}, classes...),
		{"inspect", checkpoint},
		{"evaluate", "--checkpoint", checkpoint},
		{"predict", "--checkpoint", checkpoint, "--input", "set/images", "--out", "masks"},
		{"predict", "--checkpoint", checkpoint, "--input", "set/" + hostile, "--out", "other"},
		{"init", "--data", hostile},
		{hostile},
		{"--set", hostile},
	} {
		o := command(t, args...)
		if strings.ContainsAny(o.stdout+o.stderr, "\x1b\x07") {
			t.Errorf("%q: control characters in\n%q\n%q", args, o.stdout, o.stderr)
		}
	}
	if _, err := os.Stat(checkpoint); err != nil {
		t.Fatal(err) // the trial was none
	}
}
