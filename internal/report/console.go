package report

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
)

// Console shows the progress of a run: a bar an epoch on a terminal, plain
// lines elsewhere.
type Console struct {
	W        io.Writer
	Terminal bool
	// Now is the clock, time.Now outside of tests.
	Now func() time.Time

	bar  *progress
	last time.Time // of the last plain line
}

// pause is the time between two plain lines within an epoch.
const pause = 20 * time.Second

// Record takes all events of package train.
func (c *Console) Record(event any) error {
	switch e := event.(type) {
	case train.Started:
		c.last = c.Now()
		if e.Epoch >= e.Epochs {
			return nil
		}
		if e.Step > 0 {
			return c.line("resuming at step %d, epoch %d of %d", e.Step, e.Epoch+1, e.Epochs)
		}
		frozen := ""
		if e.Frozen > 0 {
			frozen = fmt.Sprintf(" and %d frozen ones", e.Frozen)
		}
		return c.line("training on %d images, validating on %d; %d parameters%s; %d epochs of %d steps",
			e.TrainImages, e.ValImages, e.Parameters, frozen, e.Epochs, e.StepsPerEpoch)
	case train.Stepped:
		return c.step(e)
	case train.Evaluated:
		c.Close()
		best := ""
		if e.Best {
			best = "  best"
		}
		return c.line("epoch %d/%d  train loss %.4f  val loss %.4f  mIoU %.4f  pixel accuracy %.4f  lr %.3g  %.1f images/s  %.0f s%s",
			e.Epoch+1, e.Epochs, e.TrainLoss, e.ValLoss, e.Confusion.MeanIoU(), e.Confusion.PixelAccuracy(), e.LR, e.ImagesPerSecond, e.Duration.Seconds(), best)
	case train.Unwritten:
		c.Close()
		return c.line("training goes on, but %v", e.Err)
	}
	return nil
}

func (c *Console) step(e train.Stepped) error {
	if !c.Terminal {
		if now := c.Now(); now.Sub(c.last) >= pause {
			return c.line("epoch %d/%d  step %d/%d  loss %.4f  %.1f images/s", e.Epoch+1, e.Epochs, e.Batch, e.Batches, e.Loss, e.ImagesPerSecond)
		}
		return nil
	}
	return c.show(fmt.Sprintf("epoch %d/%d  loss %.4f  %.1f images/s", e.Epoch+1, e.Epochs, e.Loss, e.ImagesPerSecond), e.Batch, e.Batches)
}

// Progress shows how far a pass over images has come; what names the pass. The
// function that it returns may be given to data.CountClasses.
func (c *Console) Progress(what string) func(done, total int) {
	c.last = c.Now()
	return func(done, total int) {
		switch now := c.Now(); {
		case c.Terminal && done < total:
			c.show(what, done, total) // a terminal that is gone is noticed by the next line
		case c.Terminal:
			c.Close()
		case now.Sub(c.last) >= pause:
			c.line("%s: %d of %d images", what, done, total)
		}
	}
}

// progress is a bar, and when and with how many parts done it began.
type progress struct {
	*progressbar.ProgressBar
	began time.Time
	first int
}

// show draws the bar: what is done, how many parts of how many, and the time left.
// The library's own estimate would count the time in which the process was stopped.
func (c *Console) show(what string, done, total int) error {
	now := c.Now()
	if c.bar == nil {
		c.bar = &progress{newBar(c.W, total), now, done}
	}
	if n := done - c.bar.first; n > 0 {
		left := time.Duration(float64(now.Sub(c.bar.began)) * float64(total-done) / float64(n))
		what += fmt.Sprintf("  %v left", left.Round(time.Second))
	}
	c.bar.Describe(what)
	return c.bar.Set(done)
}

// newBar is a progress bar of n parts for a terminal.
func newBar(w io.Writer, n int) *progressbar.ProgressBar {
	return progressbar.NewOptions(n,
		progressbar.OptionSetWriter(w),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetWidth(24),
		progressbar.OptionClearOnFinish(),
	)
}

// Close takes a bar that is under way off the terminal.
func (c *Console) Close() {
	if c.bar != nil {
		c.bar.Clear()
		c.bar = nil
	}
}

func (c *Console) line(format string, args ...any) error {
	c.last = c.Now()
	_, err := fmt.Fprintf(c.W, format+"\n", args...)
	return err
}
