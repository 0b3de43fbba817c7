package data

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
)

// Batch is what one training step sees.
type Batch struct {
	Images     []float32 // (N,H,W,3), as in Sample
	Targets    []float32 // (N,H,W,C) one-hot; a void pixel is all zero
	N, H, W, C int
	Names      []string // of the N samples' images; those of a grid of patches are NAME-yY-xX
	Index      []int    // of the N samples' images in the split
	First      int      // position of the first sample in the epoch's order

	Whole      int // samples of the whole batch, of which a loader that is one of several has N
	WholeFirst int // position of its first sample
}

// LoaderConfig says how samples become batches.
type LoaderConfig struct {
	BatchSize int // >= 1
	Workers   int // samples decoded at once; 0: one per core
	Shuffle   bool
	Patches   int // random patches per image and epoch; 0: whole images, or, where they keep their own size, the grid of patches that covers each
	// RarePatches is the share, in [0,1], of the random patches that are drawn around a
	// pixel of a less frequent class, as Config.RarePatches says.
	RarePatches float64
	Augment     AugmentConfig
	Seed        uint64
	// Parts is the number of loaders that share the batches out, each in a process of
	// its own, and Part is which of them this is, from 0. Each delivers a contiguous
	// part of every batch, as equal as can be: of a batch with fewer samples than there are
	// loaders, some deliver none. 0: one loader delivers all.
	Part, Parts int
}

// Loader delivers a split in batches. It is safe for concurrent use.
type Loader struct {
	split *Split
	cfg   LoaderConfig
	grid  []patch // nil: whole images or random patches
}

// NewLoader makes a loader; reading starts with Epoch.
func NewLoader(s *Split, cfg LoaderConfig) *Loader {
	if cfg.Workers < 1 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	cfg.Parts = max(cfg.Parts, 1)
	l := &Loader{split: s, cfg: cfg}
	if s.own && cfg.Patches == 0 {
		l.grid = s.grid()
	}
	return l
}

// Len is the number of samples in an epoch.
func (l *Loader) Len() int {
	if l.grid != nil {
		return len(l.grid)
	}
	return l.split.Len() * max(l.cfg.Patches, 1)
}

// Sample is sample i of an epoch, counted in the order of the images, not in the epoch's.
func (l *Loader) Sample(epoch, i int) (Sample, error) {
	s, err := l.split.Load(l.image(i))
	if err != nil {
		return Sample{}, err
	}
	out := newSample(l.split.h, l.split.w)
	l.write(out, s, epoch, i)
	return out, nil
}

// image is the image that sample i is made of.
func (l *Loader) image(i int) int {
	if l.grid != nil {
		return l.grid[i].image
	}
	return i % l.split.Len()
}

// write makes sample i of an epoch out of its image.
func (l *Loader) write(out, image Sample, epoch, i int) {
	if l.grid != nil {
		l.grid[i].cut(out, image)
		return
	}
	image = image.padded(out.H, out.W)
	v := l.cfg.Augment.draw(random(l.cfg.Seed, forAugment, uint64(epoch), uint64(i)))
	if r := random(l.cfg.Seed, forRare, uint64(epoch), uint64(i)); r.Float64() < l.cfg.RarePatches {
		v.centre, v.centred = rarePixel(image.Mask, r)
	}
	v.apply(out, image)
}

// Name is the name of the image of sample i, in the order of the images; that of a grid
// of patches is NAME-yY-xX.
func (l *Loader) Name(i int) string {
	name := l.split.Name(l.image(i))
	if l.grid != nil {
		p := l.grid[i]
		name = fmt.Sprintf("%s-y%d-x%d", name, p.y, p.x)
	}
	return name
}

// most is the largest number of samples that this loader delivers of a batch.
func (l *Loader) most() int {
	return (min(l.cfg.BatchSize, l.Len()) + l.cfg.Parts - 1) / l.cfg.Parts
}

// ahead is the number of batches that may wait for the reader.
func (l *Loader) ahead() int {
	n := (l.cfg.BatchSize + l.cfg.Parts - 1) / l.cfg.Parts
	return 1 + (l.cfg.Workers+n-1)/n
}

// Bytes is the memory of the batches under way in an epoch, and of the images that
// workers decode meanwhile.
func (l *Loader) Bytes() int64 {
	perPixel := 4*(3+l.split.classes) + 1
	batches := int64(l.ahead()+1) * int64(l.most()) * int64(l.split.h) * int64(l.split.w) * int64(perPixel)
	return batches + int64(min(l.cfg.Workers, l.split.Len()))*l.split.decoding()
}

// Epoch yields the batches of an epoch from position fromSample of its order on.
// Order and augmentation depend on (seed, epoch, sample) only, so a stopped
// epoch goes on where it stopped, with any batch size. The last batch may be
// smaller. A batch is valid until the next iteration: its memory is used again.
//
// Workers decode ahead of the reader; at most two batches, or as many as keep
// all workers busy, wait for it. The first error of a batch, in order, ends the
// sequence, as does the end of ctx. When the loop is left, all workers have ended.
func (l *Loader) Epoch(ctx context.Context, epoch, fromSample int) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		if err := l.check(fromSample); err != nil {
			yield(nil, err)
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()

		ahead := l.ahead()
		free := make(chan *pending, ahead+1) // batches to be filled
		for range ahead + 1 {
			free <- l.newPending()
		}
		batches := make(chan *pending, ahead+1) // in order, filled or being filled
		samples := make(chan place)
		running.Go(func() {
			defer close(samples)
			defer close(batches)
			l.plan(ctx, l.order(epoch), fromSample, free, batches, samples)
		})
		for range l.cfg.Workers {
			running.Go(func() {
				for p := range samples {
					p.batch.errs[p.slot] = l.fill(p, epoch)
					if p.batch.missing.Add(-1) == 0 {
						p.batch.full <- struct{}{}
					}
				}
			})
		}
		for p := range batches {
			select {
			case <-p.full:
			case <-ctx.Done():
				yield(nil, fmt.Errorf("data: reading batches: %w", context.Cause(ctx)))
				return
			}
			for _, err := range p.errs[:p.batch.N] {
				if err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(&p.batch, nil) {
				return
			}
			free <- p
		}
		if err := ctx.Err(); err != nil {
			yield(nil, fmt.Errorf("data: reading batches: %w", context.Cause(ctx)))
		}
	}
}

func (l *Loader) check(fromSample int) error {
	var errs []error
	if l.cfg.BatchSize < 1 {
		errs = append(errs, fmt.Errorf("data: batch size %d, want >= 1", l.cfg.BatchSize))
	}
	if n := l.Len(); fromSample < 0 || fromSample > n {
		errs = append(errs, fmt.Errorf("data: epoch from sample %d, want 0..%d", fromSample, n))
	}
	return errors.Join(errs...)
}

// order is the sequence of samples of an epoch.
func (l *Loader) order(epoch int) []int {
	n := l.Len()
	if l.cfg.Shuffle {
		return random(l.cfg.Seed, forOrder, uint64(epoch)).Perm(n)
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	return order
}

// pending is a batch whose samples are being decoded.
type pending struct {
	batch   Batch
	masks   []uint8 // (N,H,W)
	errs    []error // per sample
	missing atomic.Int32
	full    chan struct{} // one message when no sample is missing
}

func (l *Loader) newPending() *pending {
	n, h, w, c := l.most(), l.split.h, l.split.w, l.split.classes
	return &pending{
		batch: Batch{
			Images:  make([]float32, n*h*w*3),
			Targets: make([]float32, n*h*w*c),
			H:       h, W: w, C: c,
			Names: make([]string, n),
			Index: make([]int, n),
		},
		masks: make([]uint8, n*h*w),
		errs:  make([]error, n),
		full:  make(chan struct{}, 1),
	}
}

// resize gives the batch n samples, within its capacity, of a whole one.
func (p *pending) resize(first, n, wholeFirst, whole int) {
	b := &p.batch
	b.N, b.First, b.Whole, b.WholeFirst = n, first, whole, wholeFirst
	b.Images = b.Images[:n*b.H*b.W*3]
	b.Targets = b.Targets[:n*b.H*b.W*b.C]
	b.Names, b.Index = b.Names[:n], b.Index[:n]
	p.missing.Store(int32(n))
}

// place is where a sample goes.
type place struct {
	batch  *pending
	slot   int
	sample int
	load   func() (Sample, error) // its image
}

// plan hands out the samples in order as batches become free. Samples of one
// image that follow each other share its decoding.
func (l *Loader) plan(ctx context.Context, order []int, from int, free <-chan *pending, batches chan<- *pending, samples chan<- place) {
	image := -1
	var load func() (Sample, error)
	for first := from; first < len(order); first += l.cfg.BatchSize {
		var p *pending
		select {
		case p = <-free:
		case <-ctx.Done():
			return
		}
		whole := min(l.cfg.BatchSize, len(order)-first)
		lo, hi := whole*l.cfg.Part/l.cfg.Parts, whole*(l.cfg.Part+1)/l.cfg.Parts
		p.resize(first+lo, hi-lo, first, whole)
		if lo == hi {
			p.full <- struct{}{}
		}
		batches <- p // has room for all batches
		for slot, sample := range order[first+lo : first+hi] {
			if i := l.image(sample); i != image {
				image, load = i, sync.OnceValues(func() (Sample, error) { return l.split.Load(i) })
			}
			select {
			case samples <- place{p, slot, sample, load}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// fill decodes and varies one sample.
func (l *Loader) fill(p place, epoch int) error {
	image, err := p.load()
	if err != nil {
		return err
	}
	b := &p.batch.batch
	pixels := b.H * b.W
	out := Sample{Image: b.Images[p.slot*pixels*3:][:pixels*3], Mask: p.batch.masks[p.slot*pixels:][:pixels], H: b.H, W: b.W}
	l.write(out, image, epoch, p.sample)
	b.Names[p.slot], b.Index[p.slot] = l.Name(p.sample), l.image(p.sample)
	oneHot(b.Targets[p.slot*pixels*b.C:][:pixels*b.C], out.Mask, b.C)
	return nil
}

// oneHot writes mask (H,W) as target (H,W,C).
func oneHot(target []float32, mask []uint8, classes int) {
	clear(target)
	for i, c := range mask {
		if c != Void {
			target[i*classes+int(c)] = 1
		}
	}
}
