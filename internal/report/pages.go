package report

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
)

// Pages draws a run after each epoch: samples/epoch-NNN.png from the event, and
// what Write makes of the run folder. It comes after the recorders of
// metrics.csv and log.jsonl. What could not be written is drawn again with the
// next epoch, and at the end; then only the last epoch's samples are kept. Where a
// run goes on, and at its end, the page is written once more, to say so.
type Pages struct {
	Dir     string // the run folder
	Classes []string
	Palette color.Palette // one colour per class
	Size    [2]int        // height, width of the samples
	Config  []byte        // YAML
	Program string        // name by which the program was started, for the command that repeats the run
	// Warn says what had to be left out, once; nil for nobody to say it to.
	Warn func(format string, args ...any) error

	rank      []int // of the classes, by their training pixels
	unwritten *event.Evaluated
	skipped   int // lines of the log, when that was last said
}

// Record takes event.Started, event.Evaluated and event.Ended.
func (p *Pages) Record(e event.Event) error {
	switch e := e.(type) {
	case event.Started:
		p.rank = ranks(e.ClassCounts)
		if e.Step == 0 {
			return nil // there is nothing to draw
		}
	case event.Evaluated:
		p.unwritten = &e
	case event.Ended:
	default:
		return nil
	}
	if p.unwritten == nil {
		if err := p.Write(); err != nil && !errors.Is(err, errNoEpoch) {
			return err
		}
		return nil
	}
	if err := p.writeSamples(*p.unwritten); err != nil {
		return err
	}
	if err := p.Write(); err != nil {
		return err
	}
	p.unwritten = nil
	return nil
}

// Write makes curves.png, classes.png, confusion.png and report.html from
// metrics.csv, log.jsonl and samples/ of the run folder. What these do not have
// is left out.
func (p *Pages) Write() (err error) {
	// A plot of strange values must not end a run.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("report: %s: drawing: %v", p.Dir, r)
		}
	}()
	h, err := readHistory(p.Dir, p.Classes)
	if err != nil {
		return err
	}
	if h.skipped != p.skipped && p.Warn != nil {
		p.skipped = h.skipped
		p.Warn("report: lines that cannot be read are left out: %d, the first is %v", h.skipped, h.fault)
	}
	if err := p.writePanels("curves.png", h.curves(p.Classes, p.Palette), 2); err != nil {
		return err
	}
	if h.start != nil {
		if err := p.writePanels("classes.png", h.start.classes(p.Classes, p.Palette), 2); err != nil {
			return err
		}
	}
	if h.last != nil {
		if err := p.writePanels("confusion.png", h.last.confusionPanels(p.Classes), 2); err != nil {
			return err
		}
	}
	return p.writePage(h)
}

func (p *Pages) writePanels(name string, panels []*panel, columns int) error {
	return p.writePNG(name, picture(panels, columns).Image())
}

// samplePath is the picture of an epoch's samples, in the run folder; epochs count from 1.
func samplePath(epoch int) string { return fmt.Sprintf("samples/epoch-%03d.png", epoch) }

func (p *Pages) writeSamples(e event.Evaluated) error {
	if err := os.Mkdir(filepath.Join(p.Dir, "samples"), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("report: %w", err)
	}
	rank := p.rank
	if len(rank) != len(p.Classes) {
		rank = ranks(make([]int64, len(p.Classes)))
	}
	title := fmt.Sprintf("Epoch %d, mean IoU of the validation %s", e.Epoch+1, decimals(e.Confusion.MeanIoU()))
	return p.writePNG(samplePath(e.Epoch+1), newSheet(p.Size[0], p.Size[1]).picture(title, e.Samples, p.Classes, p.Palette, rank))
}

// encoder takes half the time of the default one, for files a tenth larger.
var encoder = png.Encoder{CompressionLevel: png.BestSpeed}

func (p *Pages) writePNG(name string, img image.Image) error {
	return p.write(name, func(w io.Writer) error { return encoder.Encode(w, img) })
}

// write replaces a file of the run folder whole.
func (p *Pages) write(name string, encode func(w io.Writer) error) error {
	if err := durable.Write(filepath.Join(p.Dir, name), encode); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
