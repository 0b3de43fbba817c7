package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
)

// Console shows the progress of a run: a summary, then per epoch a bar on a
// terminal or plain lines elsewhere, and one line when it is done.
type Console struct {
	W        io.Writer
	Terminal *Terminal // W, where it can show a bar; else nil
	Ink      Ink
	Quiet    bool // warnings only
	// Now is the clock, time.Now outside of tests.
	Now     func() time.Time
	Classes []string

	started    event.Started
	batch      int           // images of a whole batch
	pace       pace          // of training batches
	stepped    time.Time     // when the last step was
	validation time.Duration // of the last epoch, with its checkpoint; 0: none yet
	estimated  bool          // the estimate was shown
	spoken     time.Time     // when the last line was
	drawn      time.Time     // when the bar was, in this pass
	wide       int           // the longest state beside a bar so far, so that the bar keeps its width
}

const (
	pause = 20 * time.Second       // between two plain lines within a pass
	frame = 100 * time.Millisecond // between two pictures of the bar
)

// Record takes every event.
func (c *Console) Record(e event.Event) error {
	if e, ok := e.(event.Unwritten); ok {
		return c.Warn("training goes on, but %v", e.Err)
	}
	if e, ok := e.(event.Noticed); ok && !e.Over {
		return c.Warn("warning: epoch %d: %s", e.Epoch+1, e.Text)
	}
	if c.Quiet {
		return nil
	}
	switch e := e.(type) {
	case event.Noticed:
		if e.Cause {
			return nil // of what is over
		}
		return c.Note("epoch %d: no longer so: %s", e.Epoch+1, e.Text)
	case event.Started:
		return c.start(e)
	case event.Stepped:
		return c.step(e)
	case event.Evaluated:
		return c.evaluated(e)
	case event.Saved:
		c.ended(c.Now())
	case event.Ended:
		return c.Close()
	}
	return nil
}

// Note writes a line, unless the console is quiet.
func (c *Console) Note(format string, args ...any) error {
	if c.Quiet {
		return nil
	}
	_, err := fmt.Fprintf(c.W, format+"\n", args...)
	return err
}

// Warn writes a line, even if the console is quiet.
func (c *Console) Warn(format string, args ...any) error {
	_, err := fmt.Fprintln(c.W, c.Ink.Warning(fmt.Sprintf(format, args...)))
	return err
}

// Close takes a bar off the terminal.
func (c *Console) Close() error {
	if c.Terminal == nil {
		return nil
	}
	return c.Terminal.SetStatus("")
}

func (c *Console) start(e event.Started) error {
	c.started, c.spoken = e, c.Now()
	if e.Epoch >= e.Epochs {
		return nil
	}
	if e.Step > 0 {
		if err := c.Note("resuming at step %d, epoch %d of %d", e.Step, e.Epoch+1, e.Epochs); err != nil {
			return err
		}
	}
	if err := writeSummary(c.W, e, c.Classes, c.Ink); err != nil {
		return err
	}
	err := c.draw(epochOf(e.Epoch, e.Epochs), e.Batch, e.StepsPerEpoch, "")
	c.drawn = time.Time{} // the first step is shown at once
	return err
}

func (c *Console) step(e event.Stepped) error {
	now := c.Now()
	c.pace.see(now, e.Batch)
	c.stepped = now
	c.batch = max(c.batch, e.Images)
	rate := e.ImagesPerSecond
	if each := c.pace.each; each > 0 {
		rate = float64(c.batch) / each.Seconds() // smoother, and with the time that the images take
	}
	state := fmt.Sprintf("loss %s  %s images/s%s", LossText(e.Loss), rateText(rate), c.left(e))
	if err := c.estimate(e, now); err != nil {
		return err
	}
	if c.Terminal == nil {
		if now.Sub(c.spoken) < pause {
			return nil
		}
		c.spoken = now
		return c.Note("epoch %d/%d  step %d/%d  %s", e.Epoch+1, e.Epochs, e.Batch, e.Batches, state)
	}
	if e.Batch == e.Batches {
		state = "validating"
	}
	return c.draw(epochOf(e.Epoch, e.Epochs), e.Batch, e.Batches, state)
}

func (c *Console) evaluated(e event.Evaluated) error {
	now := c.Now()
	c.spoken, c.drawn = now, time.Time{}
	c.pace.pause()
	c.ended(now)
	if err := c.Close(); err != nil {
		return err
	}
	best := ""
	if e.Best {
		best = "  " + c.Ink.good("best")
	}
	return c.Note("%s  train loss %s  val loss %s  mIoU %s  %s%s", epochOf(e.Epoch, e.Epochs),
		LossText(e.TrainLoss), LossText(e.ValLoss), decimals(e.Confusion.MeanIoU()), e.Duration.Round(time.Second), best)
}

// ended notes that the validation, or the save after it, is done.
func (c *Console) ended(now time.Time) {
	if c.pace.paused() && !c.stepped.IsZero() {
		c.validation = now.Sub(c.stepped)
	}
}

// epochOf is "epoch 3/20", epochs from 1, as wide as "epoch 20/20".
func epochOf(epoch, epochs int) string {
	all := fmt.Sprint(epochs)
	return fmt.Sprintf("epoch %-*s", 2*len(all)+1, fmt.Sprintf("%d/%s", epoch+1, all))
}

// LossText has four decimals, or four digits where the loss is a sum; a dash where
// it is undefined.
func LossText(x float64) string {
	if x >= 1000 {
		return fmt.Sprintf("%.4g", x)
	}
	return decimals(x)
}

// rateText has three digits or all before the point.
func rateText(x float64) string {
	if x >= 100 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.3g", x)
}

// left is the time left of the epoch's steps and of the run, once it is known.
func (c *Console) left(e event.Stepped) string {
	if c.pace.each == 0 {
		return ""
	}
	_, run := c.times(e)
	return fmt.Sprintf("  %s left, run %s", durationText(c.pace.left(e.Batches-e.Batch)), durationText(run))
}

// times are how long a whole epoch takes, with its validation, and how long the rest
// of the run, at the pace so far. Until the first validation is done, one of its
// batches is assumed to take a third of a training step: the forward pass without
// the two of the backward pass. Checkpoints and pictures are not counted until then:
// in trials the first estimate was 0 to 20 % too short, and up to half with a large
// net whose epochs take a few seconds.
func (c *Console) times(e event.Stepped) (epoch, run time.Duration) {
	validation := c.validation
	if validation == 0 {
		validation = c.pace.left(c.started.ValSteps) / 3
	}
	epoch = c.pace.left(e.Batches) + validation
	return epoch, c.pace.left(e.Batches-e.Batch) + validation + time.Duration(e.Epochs-1-e.Epoch)*epoch
}

// estimate says once how long the run will take, when enough steps have been timed.
func (c *Console) estimate(e event.Stepped, now time.Time) error {
	if c.estimated || c.pace.seen < 4 || now.Sub(c.pace.begun) < time.Second {
		return nil
	}
	c.estimated = true
	epoch, run := c.times(e)
	return c.Note("%s", labelled(c.Ink, "time", fmt.Sprintf("about %s per epoch, %s to the end", durationText(epoch), durationText(run))))
}

// Progress shows how far a pass has come; what names the pass, and unit what it goes
// over, such as images. The function that it returns may be given to data.CountClasses.
func (c *Console) Progress(what, unit string) func(done, total int) {
	c.spoken, c.drawn = c.Now(), time.Time{}
	if c.Quiet {
		return func(int, int) {}
	}
	var p pace
	return func(done, total int) {
		now := c.Now()
		p.see(now, done)
		switch {
		// Errors are ignored: if the terminal is gone, the next line fails too.
		case c.Terminal != nil && done < total:
			left := ""
			if p.each > 0 {
				left = durationText(p.left(total-done)) + " left"
			}
			c.draw(what, done, total, left)
		case c.Terminal != nil:
			c.Close()
		case now.Sub(c.spoken) >= pause:
			c.spoken = now
			c.Note("%s: %d of %d %s", what, done, total, unit)
		}
	}
}

// draw shows a bar if there is a terminal, at most once per frame.
func (c *Console) draw(what string, done, total int, state string) error {
	now := c.Now()
	if c.Terminal == nil || now.Sub(c.drawn) < frame && done < total {
		return nil
	}
	c.drawn, c.wide = now, max(c.wide, len(state))
	state += strings.Repeat(" ", c.wide-len(state))
	return c.Terminal.SetStatus(progressBar(c.Ink, what, done, total, state, c.Terminal.Width()))
}
