package report_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
)

// played is a console with a clock that stands still but when a test moves it.
type played struct {
	*report.Console
	out bytes.Buffer
	now time.Time
}

func newPlayed(change func(p *played)) *played {
	p := &played{now: time.Unix(1000, 0)}
	p.Console = &report.Console{W: &p.out, Now: func() time.Time { return p.now }, Classes: []string{"a", "b,c", "d"}}
	if change != nil {
		change(p)
	}
	return p
}

// onTerminal shows a bar on a terminal so many columns wide.
func onTerminal(width int) func(p *played) {
	return func(p *played) {
		p.Terminal = report.NewTerminal(&p.out, func() int { return width })
		p.W = p.Terminal
	}
}

// run plays two epochs of 10 steps, half a second each but for the first of an
// epoch, which takes 5, and validations of 1 second.
func (p *played) run(t *testing.T) {
	t.Helper()
	record(t, p, event.Started{
		Epochs: 2, StepsPerEpoch: 10, TrainImages: 38, ValImages: 8, ValSteps: 2, Height: 32, Width: 64,
		ClassCounts: []int64{600, 399, 1}, ClassWeights: []float64{1.0 / 0.6, 1 / 0.399, 1000}, Net: "unet, base 32, depth 4", Parameters: 7_763_140, Memory: 600 << 20,
	})
	for epoch := range 2 {
		p.now = p.now.Add(4500 * time.Millisecond)
		for batch := 1; batch <= 10; batch++ {
			p.now = p.now.Add(500 * time.Millisecond)
			images := 4
			if batch == 10 {
				images = 2
			}
			record(t, p, event.Stepped{Epoch: epoch, Epochs: 2, Batch: batch, Batches: 10, Step: int64(10*epoch + batch), Images: images, Loss: 1.25, ImagesPerSecond: 3})
		}
		p.now = p.now.Add(time.Second)
		record(t, p, event.Evaluated{Epoch: epoch, Epochs: 2, TrainLoss: 1.5, ValLoss: 1234.56, Confusion: confusion(t), Best: epoch == 0, Duration: 10500 * time.Millisecond})
	}
	record(t, p, event.Ended{})
}

// An epoch is 10 steps of half a second and a validation, which is thought to take
// a third of two steps: 5.33 s. After 5 steps there are left 2.83 s of this and 5.33 s of the next.
const transcript = `data        38 images for training, 8 for validation, 64x32 pixels
epochs      2 of 10 steps each
net         unet, base 32, depth 4
parameters  7.76 million
memory      about 600 MiB
class   share  weight
a      60.00%   1.667
b,c    39.90%   2.506
d       0.10%    1000
time        about 5s per epoch, 8s to the end
epoch 1/2  train loss 1.5000  val loss 1235  mIoU 0.5833  11s  best
epoch 2/2  train loss 1.5000  val loss 1235  mIoU 0.5833  11s
`

func TestConsolePlain(t *testing.T) {
	p := newPlayed(nil)
	p.run(t)
	if got := p.out.String(); got != transcript {
		t.Errorf("got\n%swant\n%s", got, transcript)
	}
}

// screen is what is seen of text in the end. Each line is drawn anew by \r ESC[K only.
func screen(t *testing.T, text string) string {
	t.Helper()
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		frames := strings.Split(line, "\r\x1b[K")
		for _, frame := range frames {
			if strings.ContainsAny(frame, "\r\x1b") {
				t.Errorf("%q has control characters", frame)
			}
		}
		lines = append(lines, frames[len(frames)-1])
	}
	return strings.Join(lines, "\n")
}

// In the end a terminal shows what a file would hold.
func TestConsoleOnTerminal(t *testing.T) {
	p := newPlayed(onTerminal(90))
	p.run(t)
	if got := screen(t, p.out.String()); got != transcript {
		t.Errorf("got\n%swant\n%s", got, transcript)
	}
	frames := regexp.MustCompile("\r\x1b\\[K(epoch [^\r\n]*▏[^\r\n]*)").FindAllStringSubmatch(p.out.String(), -1)
	if len(frames) < 20 {
		t.Fatalf("%d pictures of the bar, want at least one per step", len(frames))
	}
	for _, tc := range []struct {
		step int
		want string
	}{
		{0, "epoch 1/2 ▕                                                                    ▏ 0/10  "},
		{1, "epoch 1/2 ▕█████                                        ▏ 1/10  loss 1.2500  3 images/s"},
		// 8 steps, then as above; 4 images in half a second
		{2, "epoch 1/2 ▕██████                     ▏ 2/10  loss 1.2500  8 images/s  4s left, run 10s"},
		{3, "epoch 1/2 ▕█████████                  ▏ 3/10  loss 1.2500  8 images/s  4s left, run 9s "},
	} {
		if got := frames[tc.step][1]; got != tc.want {
			t.Errorf("step %d: %q, want %q", tc.step, got, tc.want)
		}
	}
	if last := frames[len(frames)-1][1]; !strings.Contains(last, "10/10  validating") {
		t.Errorf("last picture is %q", last)
	}
}

// However narrow the terminal, a bar is one line, with room for an echoed ^C.
func TestBarFits(t *testing.T) {
	for width := 1; width < 130; width++ {
		p := newPlayed(onTerminal(width))
		p.run(t)
		for line := range strings.SplitSeq(p.out.String(), "\n") {
			for frame := range strings.SplitSeq(line, "\r\x1b[K") {
				if n := utf8.RuneCountInString(frame); strings.Contains(frame, "/10") && n > max(0, width-3) {
					t.Fatalf("%d columns: %q has %d", width, frame, n)
				}
			}
		}
	}
}

// Steps may be many a second, pictures are ten.
func TestBarIsNotDrawnTooOften(t *testing.T) {
	p := newPlayed(onTerminal(80))
	record(t, p, event.Started{Epochs: 1, StepsPerEpoch: 2001})
	p.out.Reset()
	for batch := 1; batch <= 2000; batch++ {
		p.now = p.now.Add(time.Millisecond)
		record(t, p, event.Stepped{Epochs: 1, Batch: batch, Batches: 2001, Images: 1})
	}
	if n := strings.Count(p.out.String(), "\r"); n < 19 || n > 22 {
		t.Errorf("%d pictures in 2 seconds, want 20", n)
	}
}

// A warning goes above the bar, which stays.
func TestTerminal(t *testing.T) {
	var b bytes.Buffer
	terminal := report.NewTerminal(&b, func() int { return 80 })
	must := func(_ int, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(fmt.Fprintln(terminal, "one"))
	must(0, terminal.SetStatus("bar 1"))
	must(fmt.Fprintln(terminal, "two"))
	if got := screen(t, b.String()); got != "one\ntwo\nbar 1" {
		t.Errorf("got %q", got)
	}
	must(0, terminal.SetStatus("bar 2"))
	must(0, terminal.Close())
	must(0, terminal.SetStatus("bar 3"))
	must(fmt.Fprintln(terminal, "three"))
	if got := screen(t, b.String()); got != "one\ntwo\nthree\n" {
		t.Errorf("got %q", got)
	}
}

func TestConsoleLines(t *testing.T) {
	quiet := func(p *played) { p.Quiet = true }
	coloured := func(p *played) { p.Ink = true }
	for _, tc := range []struct {
		name   string
		change func(p *played)
		events []event.Event
		want   string
	}{
		{"nothing to train", nil, []event.Event{event.Started{Epochs: 3, Epoch: 3}}, ""},
		{"resumed", nil, []event.Event{event.Started{Epochs: 3, Epoch: 1, Step: 7}}, "resuming at step 7, epoch 2 of 3\ndata "},
		{"patches", nil, []event.Event{event.Started{Epochs: 1, TrainImages: 2, ValImages: 1, Patches: 4, Height: 32, Width: 64}}, "data        2 images for training, 1 for validation, patches of 64x32 pixels\nepochs "},
		{"columns stay where they are", nil, []event.Event{event.Evaluated{Epoch: 8, Epochs: 10, Confusion: confusion(t)}}, "epoch 9/10   train loss 0.0000  val loss 0.0000  mIoU 0.5833  0s\n"},
		{"no validation loss", nil, []event.Event{event.Evaluated{Epochs: 1, ValLoss: math.NaN(), Confusion: confusion(t)}}, "epoch 1/1  train loss 0.0000  val loss –  mIoU 0.5833  0s\n"},
		{"best in colour", coloured, []event.Event{event.Evaluated{Epochs: 1, Best: true, Confusion: confusion(t)}}, "epoch 1/1  train loss 0.0000  val loss 0.0000  mIoU 0.5833  0s  \x1b[1;32mbest\x1b[0m\n"},
		{"quiet", quiet, []event.Event{event.Started{Epochs: 3, Epoch: 1, Step: 7}, event.Stepped{Batches: 1}, evaluated(t, 1, 1), event.Ended{}}, ""},
		{"quiet, but not about this", quiet, []event.Event{event.Unwritten{Err: errors.New("disk full")}}, "training goes on, but disk full\n"},
		{"nor about a finding", quiet, []event.Event{event.Noticed{Epoch: 2, Text: "x"}, event.Noticed{Epoch: 3, Text: "x", Over: true}}, "warning: epoch 3: x\n"},
		{"a finding that is over", nil, []event.Event{event.Noticed{Epoch: 3, Text: "x", Over: true}, event.Noticed{Epoch: 3, Text: "y", Over: true, Cause: true}}, "epoch 4: no longer so: x\n"},
		{"warning in colour", coloured, []event.Event{event.Unwritten{Err: errors.New("disk full")}}, "\x1b[33mtraining goes on, but disk full\x1b[0m\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPlayed(tc.change)
			record(t, p, tc.events...)
			if got := p.out.String(); got != tc.want && !(strings.HasSuffix(tc.want, " ") && strings.HasPrefix(got, tc.want)) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// A plain console is silent within an epoch, but not for long.
func TestConsolePlainLines(t *testing.T) {
	p := newPlayed(nil)
	record(t, p, event.Started{Epochs: 1, StepsPerEpoch: 100})
	p.out.Reset()
	for batch := range 61 {
		record(t, p, event.Stepped{Epochs: 1, Batch: batch + 1, Batches: 100, Images: 2, Loss: 1})
		p.now = p.now.Add(time.Second)
	}
	want := `time        about 1m40s per epoch, 1m35s to the end
epoch 1/1  step 21/100  loss 1.0000  2 images/s  1m19s left, run 1m19s
epoch 1/1  step 41/100  loss 1.0000  2 images/s  59s left, run 59s
epoch 1/1  step 61/100  loss 1.0000  2 images/s  39s left, run 39s
`
	if got := p.out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestProgress(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(p *played)
		want   string
	}{
		{"plain", nil, "counting: 3 of 4 images\n"},
		{"quiet", func(p *played) { p.Quiet = true }, ""},
		{"terminal", onTerminal(40), "\r\x1b[Kcounting ▕█████               ▏ 1/4  " +
			"\r\x1b[Kcounting ▕██████      ▏ 2/4  20s left" + "\r\x1b[Kcounting ▕█████████   ▏ 3/4  10s left" + "\r\x1b[K"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPlayed(tc.change)
			progress := p.Progress("counting", "images")
			for done := 1; done <= 4; done++ {
				progress(done, 4)
				p.now = p.now.Add(10 * time.Second)
			}
			if got := p.out.String(); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
