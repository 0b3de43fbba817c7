//go:build !race

package main

import (
	"fmt"
	"image"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// The memory that a run announces is what the system counts in the end.
// The race detector has memory of its own.
func TestAnnouncedMemory(t *testing.T) {
	const decoding = "images while they are decoded"
	for _, tc := range []struct {
		name string
		set  string
	}{
		{"activations", "model={base_channels: 8, depth: 2}"},
		{"weights, their averages and copies", "model={base_channels: 32, depth: 3}"},
		{"a deep encoder", "model={encoder: resnet18}"},
		{decoding, "data={source: folder, train: set, val: set, classes: [black, white], synthetic: {}}"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inFolder(t)
			folderOf(t, "set", image.Pt(2400, 1800), image.Pt(2000, 2000))
			p := start(t, nil, tiny("--set", tc.set, "--set", "data.size=[64, 64]", "--set", "data.synthetic={train: 16, val: 8}", "--set", "train={batch_size: 8, accumulate: 2, ema: 0.9}", "--epochs", "4")...)
			counted := 0.0 // MiB; not rusage, which has the memory of the test in it
			p.await(func() bool {
				status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)) // none after the end
				if m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status); m != nil {
					kib, _ := strconv.Atoi(string(m[1]))
					counted = max(counted, float64(kib)/1024)
				}
				return false
			})
			if code := p.status().ExitStatus(); code != 0 {
				t.Fatalf("exit code %d\n%s", code, p.stderr.String())
			}
			m := regexp.MustCompile(`memory +about (\d+) MiB`).FindStringSubmatch(p.stderr.String())
			if m == nil {
				t.Fatalf("no memory in\n%s", p.stderr.String())
			}
			announced, err := strconv.ParseFloat(m[1], 64)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v MiB announced, %.0f counted", announced, counted)
			// On a busy machine images are seldom decoded at once.
			if ratio := announced / counted; ratio < 0.7 || ratio > 1.3 && tc.name != decoding {
				t.Errorf("%v MiB announced, %.0f counted, want at most 30 %% between them", announced, counted)
			}
		})
	}
}
