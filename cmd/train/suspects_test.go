package main

import (
	"encoding/csv"
	"image"
	"image/color"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// evaluate --suspects finds the mask that was made wrong, and where, in images that
// are resized and in images in tiles.
func TestSuspects(t *testing.T) {
	inFolder(t)
	sizes := slices.Repeat([]image.Point{{32, 32}}, 6)
	folderOf(t, "set", sizes...)
	folderOf(t, "new", sizes...)
	mask := indices(t, "new/masks/2.png").Pix
	for y := 8; y < 16; y++ {
		for x := 20; x < 28; x++ {
			mask[y*32+x] = 0
		}
	}
	succeed(t, imagefile.WriteMask("new/masks/2.png", mask, 32, 32, color.Palette{color.Black, color.White}))
	const net = "\nthreads: 1\nseed: 1\nmodel: {base_channels: 4, depth: 1}\noptimizer: {lr: 0.03}\ntrain: {epochs: 20, batch_size: 2}\nreport: {pictures: false}\n"
	write(t, "patches.yaml", "out: patches\ndata: {source: folder, train: set, val: set, size: [16, 16], patches: 4, classes: [black, white]}"+net)
	write(t, "resized.yaml", "out: resized\ndata: {source: folder, train: set, val: set, size: [32, 32], classes: [black, white]}"+net)
	for _, run := range []string{"patches", "resized"} {
		must(t, "--config", run+".yaml", "--quiet")
		checkpoint := run + "/checkpoints/last.safetensors"
		dir := "of " + run
		must(t, "evaluate", "--checkpoint", checkpoint, "--data", "new", "--suspects", dir)
		rows, err := csv.NewReader(strings.NewReader(read(t, dir+"/suspects.csv"))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 2 {
			t.Fatalf("%s: suspects %v, want a header and one", run, rows)
		}
		row := rows[1]
		var at [5]int // pixels, x, y, width, height
		for i := range at {
			if at[i], err = strconv.Atoi(row[6+i]); err != nil {
				t.Fatal(err)
			}
		}
		found := image.Rect(at[1], at[2], at[1]+at[3], at[2]+at[4])
		if row[1] != "2" || row[4] != "black" || row[5] != "white" || row[11] != "2.suspect.png" || !found.In(image.Rect(20, 8, 28, 16)) || at[0] < 32 {
			t.Errorf("%s: %v, want image 2, black for white, most of the 8x8 pixels at (20, 8)", run, row)
		}
		if b := picture(t, dir+"/2.suspect.png").Bounds(); b.Dx() < 4*256 || b.Dy() != 256 {
			t.Errorf("%s: the picture is %v, want four of 256x256", run, b)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 3 {
			t.Errorf("%s: %v, want the list, the page and a picture", run, entries)
		}
		page := read(t, dir+"/suspects.html")
		for _, want := range []string{"1 of 6 masks", "<strong>1. 2</strong>: labelled black, the net says white, in " + row[6] + " pixels at", `src="./2.suspect.png"`} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page lacks %s", run, want)
			}
		}
	}
	if o := command(t, "evaluate", "--checkpoint", "resized/checkpoints/last.safetensors", "--split", "train", "--suspects", "train"); o.code != 0 || !strings.Contains(o.stderr, "has learnt these masks") || !strings.Contains(o.stderr, "0 of 6 masks") {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}

	// By the nets of folds, also after they were trained.
	write(t, "folds.yaml", "out: folds\ndata: {source: folder, train: new, size: [32, 32], classes: [black, white]}"+net)
	must(t, "crossval", "--config", "folds.yaml", "--folds", "2", "--quiet")
	if _, err := os.Stat("folds-crossval/suspects"); err == nil {
		t.Error("crossval without --suspects has suspects")
	}
	write(t, "folds-crossval/suspects/.2.suspect.png123", "of a killed one")
	must(t, "crossval", "--config", "folds.yaml", "--folds", "2", "--quiet", "--suspects")
	row := table(t, "folds-crossval/suspects/suspects.csv")["1"]
	if row["name"] != "2" || row["label"] != "black" || row["prediction"] != "white" {
		t.Errorf("the first suspect of crossval is %v, want image 2", row)
	}
	if _, err := os.Stat("folds-crossval/suspects/" + row["picture"]); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat("folds-crossval/suspects/.2.suspect.png123"); err == nil {
		t.Error("half a picture is left")
	}
}
