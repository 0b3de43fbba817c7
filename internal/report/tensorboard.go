package report

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/protobuf"
)

// TensorBoard writes event files, which `tensorboard --logdir Dir` shows:
//
//	loss/train, lr, grad_norm, images_per_second     at each step
//	loss/val, miou, pixel_accuracy, iou/<class>      at each epoch's end
//	samples/<name>                                   then too: image, truth and prediction side by side
//
// A value that is undefined is left out. Each run begins a file of its own; a
// resumed one takes back what earlier files have of the steps that it goes
// through again. Events that could not be written are tried again with the next
// one and at the end.
type TensorBoard struct {
	Dir string
	// Now is the clock, time.Now outside of tests.
	Now     func() time.Time
	Classes []string
	Palette color.Palette // of the classes

	path   string
	size   int64 // of the whole records in the file
	events pending
	png    png.Encoder
}

// reused is the memory of a png.Encoder, 1 MiB that each picture would allocate again.
type reused struct{ buffer *png.EncoderBuffer }

func (r *reused) Get() *png.EncoderBuffer  { return r.buffer }
func (r *reused) Put(b *png.EncoderBuffer) { r.buffer = b }

// Record takes event.Started, event.Stepped, event.Evaluated, event.Saving and event.Ended.
func (t *TensorBoard) Record(e event.Event) error {
	switch e := e.(type) {
	case event.Started:
		if e.Epoch >= e.Epochs {
			return nil
		}
		return t.begin(e.Step)
	case event.Stepped:
		var s summary
		s.scalar("loss/train", e.Loss)
		s.scalar("lr", e.LR)
		s.scalar("grad_norm", e.GradNorm)
		s.scalar("images_per_second", e.ImagesPerSecond)
		return t.write(e.Step, s)
	case event.Evaluated:
		var s summary
		s.scalar("loss/val", e.ValLoss)
		s.scalar("miou", e.Confusion.MeanIoU())
		s.scalar("pixel_accuracy", e.Confusion.PixelAccuracy())
		for class, name := range t.Classes {
			s.scalar("iou/"+name, e.Confusion.IoU(class))
		}
		for _, sample := range e.Samples {
			var b bytes.Buffer
			picture := t.picture(sample)
			if err := t.png.Encode(&b, picture); err != nil {
				return fmt.Errorf("report: sample %s: %w", sample.Name, err)
			}
			tag := sample.Rank // the images change from epoch to epoch, their places do not
			if tag == "" {
				tag = sample.Name
			}
			s.image("samples/"+tag, picture.Rect.Dy(), picture.Rect.Dx(), b.Bytes())
		}
		return t.write(e.Step, s)
	case event.Saving:
		return t.events.trySync(t.path, t.append)
	case event.Ended:
		return t.events.sync(t.path, t.append)
	}
	return nil
}

// picture is image, truth and prediction side by side.
func (t *TensorBoard) picture(s event.Sample) *image.RGBA {
	h, w := s.Image.H, s.Image.W
	return SideBySide(Picture(s.Image), MaskPicture(s.Truth, h, w, t.Palette), MaskPicture(s.Predicted, h, w, t.Palette))
}

// begin starts a file after that many steps. Readers take files in the order of
// their names: a number, since clocks go back, puts it after those of earlier runs.
func (t *TensorBoard) begin(steps int64) error {
	if err := durable.MakeFolder(t.Dir); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	old, err := os.ReadDir(t.Dir)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	const format = "events.out.tfevents.%06d"
	number := 0
	for _, entry := range old {
		var n int
		if _, err := fmt.Sscanf(entry.Name(), format, &n); err == nil {
			number = max(number, n)
		}
	}
	t.png.BufferPool = &reused{}
	t.path, t.size = filepath.Join(t.Dir, fmt.Sprintf(format, number+1)), 0
	now := t.Now()
	opening := record(newEvent(now, 0, eventFileVersion, []byte(fileVersion)))
	var log protobuf.Message
	log.Int(sessionStatus, sessionStart)
	opening = append(opening, record(newEvent(now, steps+1, eventSessionLog, log))...)
	return t.events.add(opening, t.append)
}

func (t *TensorBoard) write(step int64, s summary) error {
	return t.events.add(record(newEvent(t.Now(), step, eventSummary, s.Message)), t.append)
}

// append writes records after the whole ones of the file.
func (t *TensorBoard) append(records []byte) (err error) {
	f, err := durable.Open(t.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteAt(records, t.size); err != nil {
		return errors.Join(err, f.Truncate(t.size))
	}
	t.size += int64(len(records))
	return nil
}
