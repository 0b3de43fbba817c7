package report_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image/color"
	"image/png"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
)

// board is a TensorBoard recorder of three classes, and its folder.
func board(t *testing.T) *report.TensorBoard {
	return &report.TensorBoard{
		Dir: filepath.Join(t.TempDir(), "tensorboard"), Now: func() time.Time { return time.Unix(1, 250_000_000) },
		Classes: []string{"a", "b,c", "d"}, Palette: color.Palette{color.Black, color.White, color.NRGBA{R: 255, A: 255}},
	}
}

func stepped(step int64, loss float64) event.Stepped {
	return event.Stepped{Step: step, Loss: loss, LR: 0.5, GradNorm: 4, ImagesPerSecond: 8}
}

// sample is a white image of 2x3 pixels.
func sample(name string) event.Sample {
	return event.Sample{
		Name:  name,
		Image: imagefile.Image{H: 2, W: 3, Pix: slices.Repeat([]float32{1}, 2*3*3)},
		Truth: []uint8{0, 0, 0, 1, 1, data.Void}, Predicted: []uint8{0, 0, 0, 2, 2, 2},
	}
}

// Each record is read back with the rules of the format, written down here once more.
func TestTensorBoard(t *testing.T) {
	b := board(t)
	end := evaluated(t, 0, 2)
	end.Samples = []event.Sample{sample("x"), sample("y")}
	end.Samples[1].Rank = "best"
	record(t, b, event.Started{Epochs: 4}, stepped(1, 1.5), stepped(2, 1.25), end, event.Saved{}, event.Ended{})
	record(t, b, event.Started{Epochs: 4, Step: 1, Epoch: 0}, stepped(2, 1.125), event.Ended{})
	record(t, b, event.Started{Epochs: 4, Epoch: 4}, event.Ended{}) // nothing to train

	for i, want := range []string{`
version brain.Event:2
start 1
1 loss/train 1.5
1 lr 0.5
1 grad_norm 4
1 images_per_second 8
2 loss/train 1.25
2 lr 0.5
2 grad_norm 4
2 images_per_second 8
2 miou 0.583333
2 pixel_accuracy 0.75
2 iou/a 0.5
2 iou/b,c 0.666667
2 samples/x 2x17
2 samples/best 2x17
`, `
version brain.Event:2
start 2
2 loss/train 1.125
2 lr 0.5
2 grad_norm 4
2 images_per_second 8
`} {
		path := filepath.Join(b.Dir, fmt.Sprintf("events.out.tfevents.%06d", i+1))
		if got := describe(t, path); got != strings.TrimPrefix(want, "\n") {
			t.Errorf("%s holds\n%swant%s", path, got, want)
		}
	}
	if files := entries(t, b.Dir); len(files) != 2 {
		t.Errorf("%v, want two files", files)
	}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// describe lists the values of an event file, one per line.
func describe(t *testing.T, path string) string {
	t.Helper()
	rest, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for len(rest) > 0 {
		var data []byte
		data, rest = unframe(t, rest)
		e := fields(t, data)
		if at := math.Float64frombits(e[1][0].number); at != 1.25 {
			t.Errorf("time is %v, want 1.25 s", at)
		}
		step := e[2][0].number
		for _, version := range e[3] {
			fmt.Fprintf(&b, "version %s\n", version.bytes)
		}
		for _, session := range e[7] {
			if status := fields(t, session.bytes)[1][0].number; status == 1 {
				fmt.Fprintf(&b, "start %d\n", step)
			}
		}
		for _, summary := range e[5] {
			for _, value := range fields(t, summary.bytes)[1] {
				v := fields(t, value.bytes)
				fmt.Fprintf(&b, "%d %s", step, v[1][0].bytes)
				for _, simple := range v[2] {
					fmt.Fprintf(&b, " %.6g\n", math.Float32frombits(uint32(simple.number)))
				}
				for _, image := range v[4] {
					f := fields(t, image.bytes)
					img, err := png.Decode(bytes.NewReader(f[4][0].bytes))
					if err != nil {
						t.Fatal(err)
					}
					if h, w := img.Bounds().Dy(), img.Bounds().Dx(); f[1][0].number != uint64(h) || f[2][0].number != uint64(w) || f[3][0].number != 3 {
						t.Errorf("image of %dx%d is said to be %v", h, w, f)
					}
					fmt.Fprintf(&b, " %dx%d\n", img.Bounds().Dy(), img.Bounds().Dx())
				}
			}
		}
	}
	return b.String()
}

// unframe is the data of the first record, and what follows.
func unframe(t *testing.T, b []byte) (data, rest []byte) {
	t.Helper()
	if len(b) < 16 {
		t.Fatalf("%d bytes are no record", len(b))
	}
	n := binary.LittleEndian.Uint64(b)
	if n > uint64(len(b)-16) {
		t.Fatalf("a record of %d bytes in %d", n, len(b))
	}
	data, rest = b[12:12+n], b[12+n:]
	for _, sum := range []struct{ of, masked []byte }{{b[:8], b[8:12]}, {data, rest[:4]}} {
		crc := binary.LittleEndian.Uint32(sum.masked) - 0xa282ead8
		if want := crc32.Checksum(sum.of, crc32.MakeTable(crc32.Castagnoli)); crc<<15|crc>>17 != want {
			t.Errorf("checksum of %x is wrong", sum.of)
		}
	}
	return data, rest[4:]
}

type field struct {
	number uint64
	bytes  []byte
}

// fields are the values of a protocol buffer, by field number.
func fields(t *testing.T, b []byte) map[uint64][]field {
	t.Helper()
	all := map[uint64][]field{}
	varint := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			t.Fatalf("no varint: %x", b)
		}
		b = b[n:]
		return v
	}
	for len(b) > 0 {
		key := varint()
		var f field
		switch key & 7 {
		case 0:
			f.number = varint()
		case 1:
			f.number, b = binary.LittleEndian.Uint64(b), b[8:]
		case 2:
			n := varint()
			f.bytes, b = b[:n], b[n:]
		case 5:
			f.number, b = uint64(binary.LittleEndian.Uint32(b)), b[4:]
		default:
			t.Fatalf("wire type %d", key&7)
		}
		all[key>>3] = append(all[key>>3], f)
	}
	return all
}

// Events that cannot be written wait; what a failed write left is written over.
func TestTensorBoardWaits(t *testing.T) {
	b := board(t)
	record(t, b, event.Started{Epochs: 1}, stepped(1, 1))
	path := entries(t, b.Dir)[0]
	whole := describe(t, path)
	if err := os.Rename(b.Dir, b.Dir+" away"); err != nil {
		t.Fatal(err)
	}
	for i := range int64(3) {
		if err := b.Record(stepped(2+i, 1)); errors.Is(err, fs.ErrNotExist) != (i == 0) {
			t.Errorf("failure %d: error %v, want one for the first only", i+1, err)
		}
	}
	if err := b.Record(event.Ended{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v at the end, want that of the missing folder", err)
	}
	if err := os.Rename(b.Dir+" away", b.Dir); err != nil {
		t.Fatal(err)
	}
	half, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(half, "half a rec"...), 0o644); err != nil {
		t.Fatal(err)
	}
	record(t, b, event.Ended{})
	for step := range 3 {
		whole += fmt.Sprintf("%d loss/train 1\n%[1]d lr 0.5\n%[1]d grad_norm 4\n%[1]d images_per_second 8\n", step+2)
	}
	if got := describe(t, path); got != whole {
		t.Errorf("got\n%swant\n%s", got, whole)
	}
}

// What TensorBoard itself makes of two runs, of which the first was killed after
// step 4 and its last record cut off, and the second went on after step 2.
func TestTensorBoardReadsIt(t *testing.T) {
	const python = "python3"
	if err := exec.Command(python, "-c", "import tensorboard").Run(); err != nil {
		t.Skipf("no %s with the package tensorboard", python)
	}
	b := board(t)
	record(t, b, event.Started{Epochs: 4}, stepped(1, 1), stepped(2, 2), evaluated(t, 0, 2), stepped(3, 3), stepped(4, 4))
	path := entries(t, b.Dir)[0]
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-5); err != nil {
		t.Fatal(err)
	}
	end := evaluated(t, 1, 4)
	end.Samples = []event.Sample{sample("x")}
	record(t, b, event.Started{Epochs: 4, Epoch: 1, Step: 2}, stepped(3, 30), stepped(4, 40), end, event.Ended{})

	out, err := exec.Command(python, "-c", `
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'images': 0})
a.Reload()
for tag in sorted(a.Tags()['scalars']):
    print(tag, *['%d:%.6g' % (s.step, s.value) for s in a.Scalars(tag)])
for tag in a.Tags()['images']:
    print(tag, *['%d:%dx%d' % (s.step, s.height, s.width) for s in a.Images(tag)])
`, b.Dir).CombinedOutput()
	want := `grad_norm 1:4 2:4 3:4 4:4
images_per_second 1:8 2:8 3:8 4:8
iou/a 2:0.5 4:0.5
iou/b,c 2:0.666667 4:0.666667
loss/train 1:1 2:2 3:30 4:40
lr 1:0.5 2:0.5 3:0.5 4:0.5
miou 2:0.583333 4:0.583333
pixel_accuracy 2:0.75 4:0.75
samples/x 4:2x17
`
	if err != nil || !strings.HasSuffix(string(out), want) {
		t.Errorf("%v, tensorboard read\n%swant\n%s", err, out, want)
	}
}
