package main

import (
	"image"
	"os"
	"strings"
	"testing"
)

// --overlay stands alone, as it always has, or says what to draw.
func TestOverlay(t *testing.T) {
	inFolder(t)
	folderOf(t, "set", image.Pt(16, 16), image.Pt(16, 16))
	folderOf(t, "shapes", image.Pt(16, 16))
	write(t, "two.yaml", "out: run\nthreads: 1\ndata: {source: folder, train: set, val: set, size: [16, 16], classes: [black, white]}\nmodel: {base_channels: 4, depth: 1}\noptimizer: {lr: 0.03}\ntrain: {epochs: 10, batch_size: 2}\nreport: {pictures: false}\n")
	must(t, "--config", "two.yaml", "--quiet")
	for _, tc := range []struct {
		name string
		args []string
		want string // filled, contours, or nothing
		says string // of a usage error
	}{
		{"alone, at the end", []string{"--input", "shapes/images", "--overlay"}, "filled", ""},
		{"alone, before an input", []string{"--overlay", "shapes/images"}, "filled", ""},
		{"filled", []string{"--overlay=filled", "shapes/images"}, "filled", ""},
		{"true", []string{"--overlay=true", "shapes/images"}, "filled", ""},
		{"false", []string{"--overlay=false", "shapes/images"}, "", ""},
		{"contours", []string{"--overlay=contours", "shapes/images"}, "contours", ""},
		{"contours after a space", []string{"--overlay", "contours", "shapes/images"}, "contours", ""},
		{"another word", []string{"--overlay=edges", "shapes/images"}, "", "--overlay=edges: want filled or contours"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := "of " + tc.name
			o := command(t, append([]string{"predict", "--checkpoint", best, "--out", dir}, tc.args...)...)
			if tc.says != "" {
				if o.code != 2 || !strings.Contains(o.stderr, tc.says) {
					t.Errorf("exit code %d, want 2\n%s", o.code, o.stderr)
				}
				return
			}
			if o.code != 0 || !strings.HasPrefix(o.stdout, "1 of 1 masks") {
				t.Fatalf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
			}
			path := dir + "/0.overlay.png"
			if _, err := os.Stat(path); tc.want == "" {
				if err == nil {
					t.Error("there is an overlay")
				}
				return
			}
			img, overlay := picture(t, "shapes/images/0.png").Bounds(), picture(t, path).Bounds()
			if higher := overlay.Dy() > img.Dy(); overlay.Dx() < img.Dx() || higher != (tc.want == "contours") {
				t.Errorf("the overlay is %v of an image of %v, want a strip of names for contours alone", overlay, img)
			}
		})
	}
}
