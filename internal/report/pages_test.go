package report_test

import (
	"bytes"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
)

var (
	pageClasses = []string{"ground", "<script>alert(1)</script>", "a & b"}
	pagePalette = color.Palette{color.NRGBA{0, 0, 0, 255}, color.NRGBA{230, 159, 0, 255}, color.NRGBA{255, 255, 255, 255}}
)

// sampled is an epoch of two samples of 4x8 pixels: of class 0 in the upper half,
// class 1 in the lower one, void in the last column. The prediction is right in
// all columns but the first wrong ones.
func sampled(t testing.TB, epoch, wrong int) event.Evaluated {
	t.Helper()
	const h, w = 4, 8
	e := event.Evaluated{
		Epoch: epoch, Epochs: 4, Step: int64(10 * (epoch + 1)), LR: 0.001, TrainLoss: 1 / float64(epoch+1), ValLoss: 1.25,
		Confusion: metric.NewConfusion(len(pageClasses)), ImagesPerSecond: 12.345, Duration: 2 * time.Second,
	}
	for i := range 2 {
		s := event.Sample{
			Name: fmt.Sprintf("val-%d <i>", i),
			Rank: []string{"worst", "best"}[i], MeanIoU: float64(1+i) / 4,
			Image: imagefile.Image{Pix: make([]float32, h*w*3), H: h, W: w},
			Truth: make([]uint8, h*w), Predicted: make([]uint8, h*w),
		}
		for p := range h * w {
			y, x := p/w, p%w
			s.Image.Pix[3*p+i] = float32(x) / w
			class := uint8(2 * y / h)
			s.Truth[p], s.Predicted[p] = class, class
			if x < wrong {
				s.Predicted[p] = 2
			}
			if x == w-1 {
				s.Truth[p] = data.Void
			}
		}
		if err := e.Confusion.Add(s.Truth, s.Predicted); err != nil {
			t.Fatal(err)
		}
		e.Samples = append(e.Samples, s)
	}
	return e
}

// runFolder is the recorders that make a run folder.
func runFolder(dir string) (report.Recorders, *report.Pages) {
	pages := &report.Pages{Dir: dir, Classes: pageClasses, Palette: pagePalette, Size: [2]int{4, 8}, Config: []byte("out: <here>\n"), Program: "unet"}
	return report.Recorders{
		&report.Table{Path: filepath.Join(dir, "metrics.csv"), Classes: pageClasses},
		&report.Log{Path: filepath.Join(dir, "log.jsonl"), Now: time.Now, Classes: pageClasses},
		pages,
	}, pages
}

var started = event.Started{Epochs: 4, TrainImages: 1234, ValImages: 2, Net: "resnet34", Parameters: 7763140, ClassCounts: []int64{750, 250, 0}, ClassWeights: []float64{4. / 3, 4, 0}}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func readPNG(t *testing.T, file []byte) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

var pictureFiles = []string{"curves.png", "classes.png", "confusion.png", "samples/epoch-001.png", "samples/epoch-002.png"}

func TestPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "my run")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	recorders, pages := runFolder(dir)
	first := sampled(t, 0, 1) // the best; the other order of its samples is not that of the page
	for p := range first.Samples[1].Predicted {
		first.Samples[1].Predicted[p] = 1
	}
	slices.Reverse(first.Samples)
	last := sampled(t, 1, 2)
	last.Samples[0].Predicted[3*8+4] = 0 // of class 1, the rarer one
	record(t, recorders, started, first, last, event.Ended{})
	for _, name := range pictureFiles {
		img := readPNG(t, []byte(readFile(t, filepath.Join(dir, name))))
		if b := img.Bounds(); b.Dx() < 400 || b.Dy() < 200 {
			t.Errorf("%s has %v, too small to read", name, b)
		}
	}
	page := readFile(t, filepath.Join(dir, "report.html"))

	t.Run("figures", func(t *testing.T) {
		_, epochs, _ := strings.Cut(page, `<section id="epochs">`)
		rows, err := csv.NewReader(strings.NewReader(readFile(t, filepath.Join(dir, "metrics.csv")))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := values(epochs), slices.Concat(rows[1:]...); !slices.Equal(got, want) {
			t.Errorf("the page's figures are\n%q\nmetrics.csv has\n%q", got, want)
		}
		// Of the 28 labelled pixels of classes 0 and 1 the best epoch got 24 each, and
		// class 2 none: the mean of 6/7, 6/7 and 0.
		for _, want := range []string{
			`<dt>best mean IoU</dt><dd><data value="0.571429">0.571</data> <small>epoch 1</small>`,
			`<data value="7763140">7,763,140</data>`,
			`<data value="0.75">75.00 %</data>`, // 750 of 1000 training pixels
			`<pre>unet --config &#39;`,
		} {
			if !strings.Contains(page, want) {
				t.Errorf("the page lacks %s", want)
			}
		}
	})

	t.Run("values to point at", func(t *testing.T) {
		for _, want := range []string{
			"<title>epoch 1, the best\ntraining 1.0000\nvalidation 1.2500</title>",
			"<title>epoch 2\nmean IoU 0.476\npixel accuracy 0.714</title>",                                             // 20 of 28; 5/7, 5/7 and 0
			"<title>epoch 2\nground 1.000\n&lt;script&gt;alert(1)&lt;/s… 1.000\na &amp; b 0.000</title>",               // precision
			"<title>epoch 2\nground 0.714\n&lt;script&gt;alert(1)&lt;/s… 0.714\na &amp; b –</title>",                   // recall
			"<title>true ground, predicted a &amp; b\n8 pixels\n28.57 % of the true, 50.00 % of the predicted</title>", // of 28 and of 16
			"<title>ground\n75.00 %</title>",
		} {
			if !strings.Contains(page, want) {
				t.Errorf("the page lacks %s", want)
			}
		}
		_, counts, _ := strings.Cut(page, "Confusion matrix in pixels")
		counts, _, _ = strings.Cut(counts, "</details>")
		if got := strings.Join(values(counts), " "); got != "20 0 8 0 20 8 0 0 0" {
			t.Errorf("the confusion matrix is %s", got)
		}
	})

	t.Run("names are escaped", func(t *testing.T) {
		for _, raw := range []string{"<script>alert", "val-0 <i>", "<here>"} {
			if strings.Contains(page, raw) {
				t.Errorf("the page has %q as it is", raw)
			}
			if !strings.Contains(page, html.EscapeString(raw)) {
				t.Errorf("the page lacks %q", raw)
			}
		}
	})

	t.Run("is one file", func(t *testing.T) {
		for _, m := range regexp.MustCompile(`(?:src|href|srcset)="([^"]{0,30})|url\(([^)]{0,30})|@import`).FindAllStringSubmatch(page, -1) {
			if !strings.HasPrefix(m[1]+m[2], "data:") {
				t.Errorf("the page refers to %q", m[0])
			}
		}
	})

	t.Run("samples", func(t *testing.T) {
		images := layers(t, page)
		if len(images) != 2*5 { // image, truth, prediction, error, best
			t.Fatalf("%d pictures, want 5 of each of 2 samples", len(images))
		}
		grey := color.NRGBA{128, 128, 128, 255}
		upper := []color.Color{color.NRGBA{0, 0, 0, 255}, pagePalette[0], pagePalette[2], color.NRGBA{0, 106, 170, 255}, pagePalette[2]} // two thirds of azure on black: falsely the rarer class
		for i, img := range images {
			if b := img.Bounds(); b.Dx() != 128 || b.Dy() != 64 {
				t.Errorf("picture %d is %v, want 128x64: 16 times the sample", i, b)
			}
			if i != 9 {
				same(t, img, 0, 0, upper[i%5])
			}
			if i%5 == 1 {
				same(t, img, 7, 0, grey) // no label
			}
		}
		same(t, images[1], 0, 3, pagePalette[1])                // truth, lower half
		same(t, images[3], 4, 3, color.NRGBA{182, 62, 12, 255}) // missed: two thirds of vermilion on 38, the luma of 128 red
		same(t, images[3], 4, 0, color.NRGBA{38, 38, 38, 255})  // right
		same(t, images[3], 7, 0, color.NRGBA{22, 22, 22, 255})  // no label: a third of 66, the luma of 223 red
		same(t, images[2], 1, 0, pagePalette[2])                // prediction of the last epoch: two columns wrong
		same(t, images[4], 1, 0, pagePalette[0])                // of the best: one
		same(t, images[9], 1, 0, pagePalette[1])                // of the best, where it is the first
		for _, caption := range []string{"worst, mean IoU 0.250: val-0 &lt;i&gt;", "best, mean IoU 0.500: val-1 &lt;i&gt;"} {
			if !strings.Contains(page, "<figcaption>"+caption+"</figcaption>") {
				t.Errorf("the page lacks the caption %s", caption)
			}
		}
		same(t, images[0], 4, 0, color.NRGBA{128, 0, 0, 255})
		same(t, images[5], 4, 0, color.NRGBA{0, 128, 0, 255})
	})

	t.Run("made again from the files", func(t *testing.T) {
		before := map[string]string{}
		for _, name := range []string{"report.html", "curves.png", "classes.png", "confusion.png"} {
			path := filepath.Join(dir, name)
			before[name] = readFile(t, path)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		if err := pages.Write(); err != nil {
			t.Fatal(err)
		}
		for name, want := range before {
			if readFile(t, filepath.Join(dir, name)) != want {
				t.Errorf("%s differs", name)
			}
		}
	})

	if names, _ := filepath.Glob(filepath.Join(dir, ".*")); len(names) > 0 {
		t.Errorf("%v are left over", names)
	}
}

// The page says where a run was resumed and what had changed, and that it stopped
// early. What a resume from further back goes through again is no longer told.
func TestPagesOfResumedRun(t *testing.T) {
	dir := t.TempDir()
	recorders, _ := runFolder(dir)
	resumed := func(epoch int, step int64, changes ...string) event.Started {
		s := started
		s.Epoch, s.Step, s.Changes = epoch, step, changes
		return s
	}
	page := func(events ...event.Event) string {
		record(t, recorders, append(events, event.Ended{})...)
		return readFile(t, filepath.Join(dir, "report.html"))
	}
	if got := page(started, sampled(t, 0, 2), sampled(t, 1, 1)); strings.Contains(got, `id="resumed"`) || strings.Contains(got, "stopped early") {
		t.Error("a run that was not resumed says so")
	}
	curves := readFile(t, filepath.Join(dir, "curves.png"))
	end := sampled(t, 2, 2)
	end.Ending = "early_stop"
	got := page(resumed(2, 20, "seed 1 -> 2", "set, class <b>: x"), end)
	for _, want := range []string{
		"<p>in epoch 3, after step 20</p>\n<ul><li>seed 1 -&gt; 2</li><li>set, class &lt;b&gt;: x</li></ul>",
		`<strong>Epoch 3 of 4, stopped early: no better mean IoU since epoch 2</strong>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	marks := strings.Count(got, "stroke-dasharray")
	if marks == 0 || readFile(t, filepath.Join(dir, "curves.png")) == curves {
		t.Error("the curves have no mark")
	}
	got = page(resumed(1, 10), sampled(t, 1, 2), sampled(t, 2, 2))
	if !strings.Contains(got, "<p>in epoch 2, after step 10: nothing had changed</p>") || strings.Contains(got, "step 20") || strings.Contains(got, "seed 1") || strings.Contains(got, "stopped early") {
		t.Error("want the last resume alone")
	}
	if n := strings.Count(got, "stroke-dasharray"); n != marks {
		t.Errorf("%d dashed lines for one resume, %d for another", n, marks)
	}
}

// The page says when a run was, of which revision, and how it ended. A run that ends
// before its first epoch has none.
func TestStateOfPages(t *testing.T) {
	recorders, _ := runFolder(t.TempDir())
	record(t, recorders, started, event.Ended{Cause: "interrupted"})
	last := sampled(t, 3, 0)
	last.Ending = "epochs"
	interrupted := event.Ended{Cause: "interrupted"}
	resumed := event.Started{Epochs: 4, Epoch: 1, Step: 10, ClassCounts: started.ClassCounts, ClassWeights: started.ClassWeights}
	for _, tc := range []struct {
		name   string
		events []event.Event
		want   string
	}{
		{"running", nil, "Epoch 1 of 4, running at 14:30 UTC"},
		{"interrupted", []event.Event{interrupted}, "Epoch 1 of 4, interrupted"},
		{"failed", []event.Event{event.Ended{Cause: "step 7: <NaN>"}}, "Epoch 1 of 4, failed: step 7: &lt;NaN&gt;"},
		{"finished", []event.Event{last, event.Ended{}}, "Epoch 4 of 4, finished"},
		{"resumed", []event.Event{interrupted, resumed}, "Epoch 1 of 4, running at 14:30 UTC"},
		{"resumed, an epoch later", []event.Event{interrupted, resumed, sampled(t, 1, 0)}, "Epoch 2 of 4, running at 14:30 UTC"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			recorders, _ := runFolder(dir)
			log := recorders[1].(*report.Log)
			log.Now = func() time.Time { return time.Date(2026, 3, 1, 14, 30, 0, 0, time.UTC) }
			log.Revision = "1234abcd"
			record(t, recorders, append([]event.Event{started, sampled(t, 0, 0)}, tc.events...)...)
			page := readFile(t, filepath.Join(dir, "report.html"))
			if want := "<strong>" + tc.want + "</strong>"; !strings.Contains(page, want) {
				t.Errorf("the page lacks %s", want)
			}
			if strings.HasPrefix(tc.name, "resumed") {
				return
			}
			if want := `resnet34<span>1 March 2026, 14:30 to 14:30 UTC</span><span>revision 1234abcd</span>`; !strings.Contains(page, want) {
				t.Errorf("the page lacks %s", want)
			}
		})
	}
}

// The page has what is wrong with the run: not what is over, nor what a resume from
// further back goes through again.
func TestPagesTellFindings(t *testing.T) {
	dir := t.TempDir()
	recorders, _ := runFolder(dir)
	page := func(events ...event.Event) string {
		record(t, recorders, append(events, event.Ended{})...)
		_, part, _ := strings.Cut(readFile(t, filepath.Join(dir, "report.html")), `<section id="findings">`)
		part, _, _ = strings.Cut(part, "</section>")
		return strings.Join(regexp.MustCompile("<li>.*</li>").FindAllString(part, -1), "")
	}
	noticed := func(epoch int, name, text string) event.Noticed {
		return event.Noticed{Epoch: epoch, Step: int64(10 * (epoch + 1)), Name: name, Text: text}
	}
	over := noticed(1, "b", "y")
	over.Over = true
	resumed := started
	resumed.Epoch, resumed.Step = 1, 10
	for _, tc := range []struct {
		name   string
		events []event.Event
		want   string
	}{
		{"none", []event.Event{started, sampled(t, 0, 2)}, ""},
		{"two", []event.Event{started, noticed(0, "a", "class <x>"), noticed(0, "b", "y"), sampled(t, 0, 2)}, "<li>after epoch 1: class &lt;x&gt;</li><li>after epoch 1: y</li>"},
		{"one is over, the other has changed", []event.Event{noticed(1, "a", "z"), over, sampled(t, 1, 2)}, "<li>after epoch 2: z</li>"},
		{"resumed from before", []event.Event{resumed, sampled(t, 1, 2)}, ""},
	} {
		if got := page(tc.events...); got != tc.want {
			t.Errorf("%s: got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

// values are the figures in a part of the page.
func values(page string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`<data value="([^"]*)">`).FindAllStringSubmatch(page, -1) {
		all = append(all, html.UnescapeString(m[1]))
	}
	return all
}

// layers are the pictures of the samples.
func layers(t *testing.T, page string) []image.Image {
	t.Helper()
	var images []image.Image
	for _, m := range regexp.MustCompile(`src="data:image/png;base64,([^"]*)"`).FindAllStringSubmatch(page, -1) {
		file, err := base64.StdEncoding.DecodeString(html.UnescapeString(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, readPNG(t, file))
	}
	return images
}

// same checks the colour of a sample's pixel, which is 16x16 in the picture.
func same(t *testing.T, img image.Image, x, y int, want color.Color) {
	t.Helper()
	at := img.Bounds().Min
	for _, d := range []int{0, 15} {
		got := color.NRGBAModel.Convert(img.At(at.X+16*x+d, at.Y+16*y+d))
		if want := color.NRGBAModel.Convert(want); got != want {
			t.Errorf("pixel (%d, %d) is %v, want %v", x, y, got, want)
		}
	}
}

// What is not in the run folder is left out; what is wrong there is told.
func TestPagesOfOtherFolders(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(t *testing.T, dir string)
		err    string   // with DIR for the folder
		lacks  []string // parts of the page
	}{
		{"whole", func(*testing.T, string) {}, "", nil},
		{"no log", removes("log.jsonl"), "", []string{`id="samples"`, "7,763,140", "predicted as each class"}},
		{"log of an older program", writes("log.jsonl", `{"time":"","event":"started","data":{"epochs":4}}`+"\n"), "", []string{`id="samples"`, "Weight in the loss"}},
		{"no samples", removes("samples/epoch-002.png"), "", []string{`id="samples"`}},
		{"no samples of the best epoch", removes("samples/epoch-001.png"), "", []string{"best epoch 1"}},
		{"no table", removes("metrics.csv"), "report: DIR/metrics.csv: no epoch is finished yet", nil},
		{"no epoch", writes("metrics.csv", "epoch,step,lr,train_loss,val_loss,val_miou,val_pixel_accuracy,iou_ground,iou_<script>alert(1)</script>,iou_a & b,images_per_second,seconds\n"),
			"report: DIR/metrics.csv: no epoch is finished yet", nil},
		{"no number", writes("metrics.csv", "epoch,step,lr,train_loss,val_loss,val_miou,val_pixel_accuracy,iou_ground,iou_<script>alert(1)</script>,iou_a & b,images_per_second,seconds\n1,10,0.1,NaN,,,,,,,1,1\n"),
			`report: DIR/metrics.csv: epoch 1: train_loss: "NaN", want a number or nothing`, nil},
		{"no epoch number", writes("metrics.csv", "epoch,step,lr,train_loss,val_loss,val_miou,val_pixel_accuracy,iou_ground,iou_<script>alert(1)</script>,iou_a & b,images_per_second,seconds\n,10,0.1,,,,,,,,1,1\n"),
			`report: DIR/metrics.csv: epoch "", want 1 or more`, nil},
		{"broken log", writes("log.jsonl", "{}\n"+`{"event":"epoch",`+"\n\x00\x00\n"), "", []string{`id="samples"`, "7,763,140"}},
		{"samples of another size", func(t *testing.T, dir string) {
			var b bytes.Buffer
			if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 8, 8))); err != nil {
				t.Fatal(err)
			}
			writes("samples/epoch-002.png", b.String())(t, dir)
		}, "report: DIR/samples/epoch-002.png is 8x8, which is not a picture of 2 samples of 8x4; remove it", nil},
		{"samples that are no picture", writes("samples/epoch-002.png", "a longer text"), "report: DIR/samples/epoch-002.png: png: invalid format: not a PNG file", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			recorders, pages := runFolder(dir)
			record(t, recorders, started, sampled(t, 0, 1), sampled(t, 1, 2))
			tc.change(t, dir)
			got := ""
			if err := pages.Write(); err != nil {
				got = strings.ReplaceAll(err.Error(), dir, "DIR")
			}
			if got != tc.err {
				t.Errorf("error %q, want %q", got, tc.err)
			}
			page := readFile(t, filepath.Join(dir, "report.html"))
			for _, part := range tc.lacks {
				if strings.Contains(page, part) {
					t.Errorf("the page has %s", part)
				}
			}
		})
	}
}

func removes(name string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func writes(name, text string) func(t *testing.T, dir string) {
	return func(t *testing.T, dir string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Pages that cannot be written are told, and written when they can be.
func TestPagesWait(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not yet")
	_, pages := runFolder(dir)
	for _, e := range []event.Event{sampled(t, 0, 0), event.Ended{}} {
		if err := pages.Record(e); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%T: error %v, want that of the missing folder", e, err)
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	recorders, _ := runFolder(dir)
	record(t, recorders[:2], started, sampled(t, 0, 0))
	record(t, pages, event.Ended{})
	readFile(t, filepath.Join(dir, "report.html"))
	readFile(t, filepath.Join(dir, "samples/epoch-001.png"))
}

// Values that no axis is made for are drawn, or left out.
func TestPagesOfStrangeValues(t *testing.T) {
	for _, loss := range []float64{math.NaN(), math.Inf(1), 0, 1e-300, 1e300, -1e300, math.MaxFloat64} {
		t.Run(fmt.Sprint(loss), func(t *testing.T) {
			recorders, _ := runFolder(t.TempDir())
			record(t, recorders, started)
			for epoch := range 3 {
				e := sampled(t, epoch, 0)
				e.TrainLoss, e.LR = loss, 0
				if epoch == 1 {
					e.TrainLoss = -loss
				}
				if err := errors.Join(recorders[0].Record(e), recorders[1].Record(e), recorders[2].Record(e)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// As many classes as there can be, with long names, still make a page of bounded size.
func TestPagesOfManyClasses(t *testing.T) {
	const n = 255
	dir := t.TempDir()
	classes, palette, e, s := make([]string, n), make(color.Palette, n), sampled(t, 0, 0), started
	s.ClassCounts, s.ClassWeights = make([]int64, n), make([]float64, n)
	e.Confusion, e.Samples = metric.NewConfusion(n), nil
	for c := range n {
		classes[c] = fmt.Sprintf("a long name of class %d %s", c, strings.Repeat("x", 50))
		palette[c] = color.NRGBA{uint8(c), 100, 100, 255}
		s.ClassCounts[c], s.ClassWeights[c] = int64(c), float64(n-c)
		if err := e.Confusion.Add([]uint8{uint8(c), uint8(c)}, []uint8{uint8(c), uint8(c * 7 % n)}); err != nil {
			t.Fatal(err)
		}
	}
	record(t, report.Recorders{
		&report.Table{Path: filepath.Join(dir, "metrics.csv"), Classes: classes},
		&report.Log{Path: filepath.Join(dir, "log.jsonl"), Now: time.Now, Classes: classes},
	}, s, e)
	pages := &report.Pages{Dir: dir, Classes: classes, Palette: palette, Size: [2]int{4, 8}}
	if err := pages.Record(e); err != nil {
		t.Fatal(err)
	}
	if size := len(readFile(t, filepath.Join(dir, "report.html"))); size > 8<<20 {
		t.Errorf("the page has %d bytes", size)
	}
}
