package report_test

import (
	"encoding/json"
	"errors"
	"image/color"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
)

// confusion has IoU 1/2 for class 0 and 2/3 for class 1; class 2 is absent.
func confusion(t *testing.T) *metric.Confusion {
	t.Helper()
	c := metric.NewConfusion(3)
	if err := c.Add([]uint8{0, 0, 1, 1}, []uint8{0, 1, 1, 1}); err != nil {
		t.Fatal(err)
	}
	return c
}

func evaluated(t *testing.T, epoch int, step int64) event.Evaluated {
	return event.Evaluated{
		Epoch: epoch, Epochs: 4, Step: step, LR: 0.001, TrainLoss: 1.5, ValLoss: math.NaN(),
		Confusion: confusion(t), Best: true, ImagesPerSecond: 12.345, Duration: 2 * time.Second,
	}
}

func record(t testing.TB, r interface{ Record(event.Event) error }, events ...event.Event) {
	t.Helper()
	for _, e := range events {
		if err := r.Record(e); err != nil {
			t.Fatal(err)
		}
	}
}

const header = "epoch,step,lr,train_loss,val_loss,val_miou,val_pixel_accuracy,iou_a,\"iou_b,c\",iou_d,images_per_second,seconds\n"

func row(epoch, step string) string {
	return epoch + "," + step + ",0.001,1.5,,0.583333,0.75,0.5,0.666667,,12.35,2.0\n"
}

func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.csv")
	classes := []string{"a", "b,c", "d"}
	check := func(what, want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("%s:\n%swant\n%s", what, got, want)
		}
	}
	record(t, &report.Table{Path: path, Classes: classes}, event.Started{}, evaluated(t, 0, 10), evaluated(t, 1, 20), evaluated(t, 2, 30))
	check("three epochs", header+row("1", "10")+row("2", "20")+row("3", "30"))

	// A kill cut the last row off; the run goes on after two epochs.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, "4,40,0.00"...), 0o644); err != nil {
		t.Fatal(err)
	}
	record(t, &report.Table{Path: path, Classes: classes}, event.Started{Epoch: 2}, evaluated(t, 2, 30))
	check("resumed after two epochs", header+row("1", "10")+row("2", "20")+row("3", "30"))

	err = (&report.Table{Path: path, Classes: classes[:2]}).Record(event.Started{Epoch: 2})
	if err == nil || !strings.Contains(err.Error(), "move the file away") {
		t.Errorf("other classes: got %v, want an error that says what to do", err)
	}

	record(t, &report.Table{Path: path, Classes: classes}, event.Started{})
	check("started anew", header)
}

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	l := &report.Log{Path: path, Now: func() time.Time { return time.Unix(0, 0) }, Classes: []string{"a", "b", "c"}}
	record(t, l, event.Started{}, event.Stepped{Loss: math.Inf(1)}, evaluated(t, 0, 10), event.Saved{Step: 10, Best: true})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for line := range strings.Lines(string(text)) {
		var v struct {
			Time, Event string
			Data        map[string]any
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if v.Time != "1970-01-01T00:00:00Z" {
			t.Errorf("time = %s, want the clock's", v.Time)
		}
		events = append(events, v.Event)
	}
	if got := strings.Join(events, " "); got != "started step epoch saved" {
		t.Errorf("events are %s", got)
	}
	if err := l.Record(nil); err == nil {
		t.Error("no event is no error")
	}
}

type recorderFunc func(event.Event) error

func (f recorderFunc) Record(e event.Event) error { return f(e) }

func TestRecorders(t *testing.T) {
	full := errors.New("disk full")
	for _, tc := range []struct {
		name  string
		event event.Event
		want  error
		heard []event.Event // by the one that can write
	}{
		{"at the start", event.Started{}, full, []event.Event{event.Started{}}},
		{"under way", event.Saved{Step: 3}, nil, []event.Event{event.Saved{Step: 3}, event.Unwritten{Err: full}}},
		{"at the end", event.Ended{}, full, []event.Event{event.Ended{}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var heard []event.Event
			err := report.Recorders{
				recorderFunc(func(event.Event) error { return full }),
				recorderFunc(func(e event.Event) error { heard = append(heard, e); return nil }),
			}.Record(tc.event)
			if !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if len(heard) != len(tc.heard) {
				t.Fatalf("the other heard %v, want %v", heard, tc.heard)
			}
			for i, e := range heard {
				if !reflect.DeepEqual(e, tc.heard[i]) {
					t.Errorf("the other heard %v, want %v", heard, tc.heard)
				}
			}
		})
	}
}

// A line that a kill cut off is dropped when the next one is written.
func TestLogAfterAKill(t *testing.T) {
	whole, long := "{}\n", strings.Repeat("x", 9000)
	for _, tc := range []struct{ name, before, want string }{
		{"nothing", "", ""},
		{"whole", whole, whole},
		{"cut off", whole + long, whole},
		{"cut off after many", strings.Repeat(whole, 3000) + "{", strings.Repeat(whole, 3000)},
		{"cut off at a block", strings.Repeat("\n", 4096) + "x", strings.Repeat("\n", 4096)},
		{"first line cut off", long, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log.jsonl")
			if err := os.WriteFile(path, []byte(tc.before), 0o644); err != nil {
				t.Fatal(err)
			}
			record(t, &report.Log{Path: path, Now: func() time.Time { return time.Unix(0, 0) }}, event.Saved{Step: 3})
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want := tc.want + `{"time":"1970-01-01T00:00:00Z","event":"saved","data":{"best":false,"step":3}}` + "\n"
			if string(got) != want {
				t.Errorf("%d bytes, want %d, ending %q", len(got), len(want), got[max(0, len(got)-100):])
			}
		})
	}
}

// Lines that cannot be written wait for the disk; of many failures the first is
// told, and the end tells what is still not written.
func TestLinesWait(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not yet")
	table := &report.Table{Path: filepath.Join(dir, "metrics.csv"), Classes: []string{"a", "b,c", "d"}}
	log := &report.Log{Path: filepath.Join(dir, "log.jsonl"), Now: time.Now}
	for _, r := range []interface{ Record(event.Event) error }{table, log} {
		for epoch := range 3 {
			if err := r.Record(evaluated(t, epoch, 1)); errors.Is(err, fs.ErrNotExist) != (epoch == 0) {
				t.Errorf("%T: error %v for epoch %d, want one for the first only", r, err, epoch)
			}
		}
		if err := r.Record(event.Ended{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%T: error %v at the end, want that of the missing folder", r, err)
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	record(t, table, evaluated(t, 3, 1), event.Ended{})
	record(t, log, event.Ended{})
	got, err := os.ReadFile(table.Path)
	if err != nil {
		t.Fatal(err)
	}
	if want := row("1", "1") + row("2", "1") + row("3", "1") + row("4", "1"); string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, err = os.ReadFile(log.Path); err != nil || strings.Count(string(got), `"event":"epoch"`) != 3 || !strings.HasSuffix(string(got), `"event":"ended","data":{"cause":""}}`+"\n") {
		t.Errorf("%v, log has\n%swant 3 epochs and an end", err, got)
	}
}

func TestPictures(t *testing.T) {
	palette := color.Palette{color.Black, color.NRGBA{200, 100, 0, 255}}
	img := imagefile.Image{H: 1, W: 3, Pix: []float32{1, 1, 1, 0, 0.5, 1, 0, 0, 0}}
	mask := []uint8{0, 1, data.Void}
	over := report.Overlay(img, mask, palette)
	for x, want := range []color.RGBA{
		{255, 255, 255, 255}, // class 0: as it is
		{100, 114, 128, 255}, // the means of (0, 128, 255) and (200, 100, 0), rounded
		{64, 64, 64, 255},    // void: the mean of black and grey
	} {
		if got := over.RGBAAt(x, 0); got != want {
			t.Errorf("overlay pixel %d is %v, want %v", x, got, want)
		}
	}
	// Beyond 0..1 the least value becomes black and the largest white.
	beyond := report.Picture(imagefile.Image{H: 1, W: 3, Pix: []float32{-2, -2, -2, 0, 0, 0, 2, 2, 2}})
	for x, want := range []color.RGBA{{0, 0, 0, 255}, {128, 128, 128, 255}, {255, 255, 255, 255}} {
		if got := beyond.RGBAAt(x, 0); got != want {
			t.Errorf("normalized pixel %d is %v, want %v", x, got, want)
		}
	}
	m := report.MaskPicture(mask, 1, 3, palette)
	for x, want := range []color.RGBA{{0, 0, 0, 255}, {200, 100, 0, 255}, {128, 128, 128, 255}} {
		if got := m.RGBAAt(x, 0); got != want {
			t.Errorf("mask pixel %d is %v, want %v", x, got, want)
		}
	}
	both := report.SideBySide(report.Picture(img), m)
	if b := both.Bounds(); b.Dx() != 3+4+3 || b.Dy() != 1 {
		t.Errorf("side by side is %v, want 10x1", b)
	}
	if got := both.RGBAAt(8, 0); got != (color.RGBA{200, 100, 0, 255}) {
		t.Errorf("side by side has %v in the second picture", got)
	}
}
