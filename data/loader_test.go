package data_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

func shapes(t testing.TB, n int, cache string) *data.Split {
	t.Helper()
	c := data.DefaultConfig()
	c.Size = [2]int{12, 10}
	c.Synthetic.Train = n
	c.Cache = cache
	s, err := data.Open(c, 3, "train")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// everything but Turn90, which wants squares.
var everything = data.AugmentConfig{
	FlipHorizontal: 0.5, FlipVertical: 0.5, Crop: 0.3, Scale: [2]float64{0.7, 1.5}, Rotate: 30, Shift: 0.1, Elastic: 5,
	Brightness: 0.3, Contrast: 0.3, Gamma: [2]float64{0.7, 1.5}, Saturation: 0.3, Hue: 0.1, Blur: 1, Noise: 0.1,
}

// one is a sample as it came in a batch.
type one struct {
	name          string
	image, target []float32
}

// collect copies all samples of an epoch, and the sizes of its batches.
func collect(t testing.TB, l *data.Loader, epoch, from int) (all []one, sizes []int) {
	t.Helper()
	for b, err := range l.Epoch(context.Background(), epoch, from) {
		if err != nil {
			t.Fatal(err)
		}
		if b.First != from+len(all) {
			t.Fatalf("batch begins at %d, want %d", b.First, from+len(all))
		}
		pixels := b.H * b.W
		if len(b.Images) != b.N*pixels*3 || len(b.Targets) != b.N*pixels*b.C || len(b.Names) != b.N {
			t.Fatalf("batch of %d has %d, %d and %d values", b.N, len(b.Images), len(b.Targets), len(b.Names))
		}
		for i, name := range b.Names {
			all = append(all, one{name, slices.Clone(b.Images[i*pixels*3:][:pixels*3]), slices.Clone(b.Targets[i*pixels*b.C:][:pixels*b.C])})
		}
		sizes = append(sizes, b.N)
	}
	return all, sizes
}

func same(a, b []one) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d samples, want %d", len(a), len(b))
	}
	for i := range a {
		if a[i].name != b[i].name || !slices.Equal(a[i].image, b[i].image) || !slices.Equal(a[i].target, b[i].target) {
			return fmt.Errorf("sample %d is %s, want %s, pixels and classes equal", i, a[i].name, b[i].name)
		}
	}
	return nil
}

func TestBatchHoldsTheSamples(t *testing.T) {
	s := shapes(t, 7, "off")
	all, sizes := collect(t, data.NewLoader(s, data.LoaderConfig{BatchSize: 3}), 0, 0)
	if want := []int{3, 3, 1}; !slices.Equal(sizes, want) {
		t.Errorf("batches of %v, want %v", sizes, want)
	}
	for i, got := range all {
		want, err := s.Load(i)
		if err != nil {
			t.Fatal(err)
		}
		if got.name != s.Name(i) || !slices.Equal(got.image, want.Image) {
			t.Errorf("sample %d is %s with other pixels, want %s", i, got.name, s.Name(i))
		}
		for p, class := range want.Mask {
			for c := range 4 {
				hot := float32(0)
				if int(class) == c {
					hot = 1
				}
				if got.target[p*4+c] != hot {
					t.Fatalf("sample %d: target of pixel %d is %v, want class %d", i, p, got.target[p*4:][:4], class)
				}
			}
		}
	}
}

func TestVoidIsAllZero(t *testing.T) {
	t.Chdir(t.TempDir())
	filetest.Write(t, "images/a.png", filetest.Encode(t, ".png", filetest.RGB(1, 3)))
	filetest.Write(t, "masks/a.png", filetest.Encode(t, ".png", filetest.Grey(1, 3, 1, 255, 3)))
	s, err := data.Open(folderConfig(1, 3), 1, "train")
	if err != nil {
		t.Fatal(err)
	}
	all, _ := collect(t, data.NewLoader(s, data.LoaderConfig{BatchSize: 8}), 0, 0)
	if want := []float32{0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}; !slices.Equal(all[0].target, want) {
		t.Errorf("target %v, want %v", all[0].target, want)
	}
}

// Neither the workers nor the cache change what is delivered.
func TestEpochIsReproducible(t *testing.T) {
	cfg := data.LoaderConfig{BatchSize: 4, Workers: 1, Shuffle: true, Augment: everything, Seed: 9}
	want, _ := collect(t, data.NewLoader(shapes(t, 23, "off"), cfg), 2, 0)
	for _, workers := range []int{2, 5, 40} {
		for _, cache := range []string{"off", "ram", "auto"} {
			cfg.Workers = workers
			l := data.NewLoader(shapes(t, 23, cache), cfg)
			for range 2 {
				got, _ := collect(t, l, 2, 0)
				if err := same(got, want); err != nil {
					t.Errorf("%d workers, cache %s: %v", workers, cache, err)
				}
			}
		}
	}
	cfg.Seed++
	got, _ := collect(t, data.NewLoader(shapes(t, 23, "off"), cfg), 2, 0)
	if same(got, want) == nil {
		t.Error("another seed gives the same epoch")
	}
}

// An epoch that goes on at any sample, with any batch size, is the rest of the epoch.
func TestEpochFromSample(t *testing.T) {
	s := shapes(t, 11, "ram")
	cfg := data.LoaderConfig{BatchSize: 4, Shuffle: true, Augment: everything, Seed: 9}
	whole, _ := collect(t, data.NewLoader(s, cfg), 1, 0)
	for from := range 12 {
		for _, size := range []int{1, 3, 4, 100} {
			cfg.BatchSize = size
			got, sizes := collect(t, data.NewLoader(s, cfg), 1, from)
			if err := same(got, whole[from:]); err != nil {
				t.Errorf("from %d in batches of %d: %v", from, size, err)
			}
			if from == 5 && size == 4 && !slices.Equal(sizes, []int{4, 2}) {
				t.Errorf("from 5 of 11 in batches of 4: %v, want [4 2]", sizes)
			}
		}
	}
}

// Each epoch holds every sample once, in an order of its own.
func TestShuffle(t *testing.T) {
	s := shapes(t, 31, "ram")
	l := data.NewLoader(s, data.LoaderConfig{BatchSize: 8, Shuffle: true, Seed: 1})
	var orders [][]string
	for epoch := range 3 {
		all, _ := collect(t, l, epoch, 0)
		var names []string
		for _, o := range all {
			names = append(names, o.name)
		}
		if slices.IsSorted(names) {
			t.Errorf("epoch %d is in the order of the files", epoch)
		}
		for _, o := range orders {
			if slices.Equal(o, names) {
				t.Errorf("epoch %d repeats an order", epoch)
			}
		}
		orders = append(orders, names)
		sorted := slices.Sorted(slices.Values(names))
		if len(slices.Compact(sorted)) != 31 {
			t.Errorf("epoch %d has %d samples, want each of 31 once", epoch, len(sorted))
		}
	}
}

// The bubble fails if a goroutine is left, or if all of them wait for each other.
func TestBreakingOffLeavesNothing(t *testing.T) {
	s := shapes(t, 64, "off")
	for _, size := range []int{1, 3, 64} {
		for _, workers := range []int{1, 3, 9} {
			for _, batches := range []int{0, 1, 2} {
				synctest.Test(t, func(t *testing.T) {
					seen := 0
					for _, err := range data.NewLoader(s, data.LoaderConfig{BatchSize: size, Workers: workers}).Epoch(t.Context(), 0, 0) {
						if err != nil {
							t.Fatal(err)
						}
						if seen == batches {
							break
						}
						seen++
					}
				})
			}
		}
	}
}

func TestCancel(t *testing.T) {
	s := shapes(t, 64, "off")
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("stopped by hand")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		batches, last := 0, error(nil)
		for _, err := range data.NewLoader(s, data.LoaderConfig{BatchSize: 2, Workers: 2}).Epoch(ctx, 4, 0) {
			if last != nil {
				t.Fatal("the sequence goes on after an error")
			}
			if last = err; err == nil {
				batches++
			}
			cancel(why)
		}
		if !errors.Is(last, why) || last.Error() != "data: reading batches: stopped by hand" {
			t.Errorf("ends with %v, want the cause of the cancellation", last)
		}
		if batches > 4 {
			t.Errorf("%d batches after the cancellation", batches)
		}
	})
}

// The first bad sample in order ends the epoch; what comes before it is delivered.
func TestBadSampleEndsEpoch(t *testing.T) {
	t.Chdir(t.TempDir())
	for i := range 10 {
		class := uint8(0)
		if i == 5 || i == 6 {
			class = 4
		}
		filetest.Write(t, fmt.Sprintf("images/%d.png", i), filetest.Encode(t, ".png", filetest.RGB(1, 1)))
		filetest.Write(t, fmt.Sprintf("masks/%d.png", i), filetest.Encode(t, ".png", filetest.Grey(1, 1, class)))
	}
	s, err := data.Open(folderConfig(1, 1), 1, "train")
	if err != nil {
		t.Fatal(err)
	}
	for workers := range 8 {
		var got []string
		var last error
		for b, err := range data.NewLoader(s, data.LoaderConfig{BatchSize: 2, Workers: workers}).Epoch(t.Context(), 0, 0) {
			if last = err; err == nil {
				got = append(got, b.Names...)
			}
		}
		if want := "data: mask masks/5.png: pixel (0, 0) has class 4, want 0..3 or ignore 255, or data.mask_values: [1, 2, 3, 4] if classes are counted from 1"; filetest.Message(last) != want {
			t.Errorf("got  %v\nwant %s", last, want)
		}
		if want := []string{"0", "1", "2", "3"}; !slices.Equal(got, want) {
			t.Errorf("delivered %v before the error, want %v", got, want)
		}
	}
}

func TestEpochRefuses(t *testing.T) {
	s := shapes(t, 3, "ram")
	for _, tt := range []struct {
		size, from int
		want       string
	}{
		{0, 0, "data: batch size 0, want >= 1"},
		{1, 4, "data: epoch from sample 4, want 0..3"},
		{-1, -1, "data: batch size -1, want >= 1\ndata: epoch from sample -1, want 0..3"},
	} {
		var last error
		for _, err := range data.NewLoader(s, data.LoaderConfig{BatchSize: tt.size}).Epoch(t.Context(), 0, tt.from) {
			last = err
		}
		if filetest.Message(last) != tt.want {
			t.Errorf("got  %v\nwant %s", last, tt.want)
		}
	}
}

// An epoch allocates for the batches in flight, not for each batch.
func TestBatchesAreRecycled(t *testing.T) {
	few, many := shapes(t, 64, "ram"), shapes(t, 640, "ram")
	buffers := func(s *data.Split) int {
		seen := map[*float32]bool{}
		for b, err := range data.NewLoader(s, data.LoaderConfig{BatchSize: 4, Workers: 2}).Epoch(t.Context(), 0, 0) {
			if err != nil {
				t.Fatal(err)
			}
			seen[&b.Images[0]] = true
		}
		return len(seen)
	}
	if a, b := buffers(few), buffers(many); a > 3 || b > 3 {
		t.Errorf("%d and %d image buffers, want at most 3: one with the reader and two ahead", a, b)
	}
}

func TestValIsSplitOff(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := data.WriteSynthetic(".", [2]int{4, 4}, 20, 1); err != nil {
		t.Fatal(err)
	}
	c := folderConfig(4, 4)
	c.Val, c.ValFraction = "", 0.25
	names := func(split string, seed uint64) (list []string) {
		s, err := data.Open(c, seed, split)
		if err != nil {
			t.Fatal(err)
		}
		for i := range s.Len() {
			list = append(list, s.Name(i))
		}
		return list
	}
	train, val := names("train", 1), names("val", 1)
	if len(train) != 15 || len(val) != 5 {
		t.Errorf("%d and %d images, want 15 and 5", len(train), len(val))
	}
	if all := slices.Sorted(slices.Values(append(slices.Clone(train), val...))); len(slices.Compact(all)) != 20 {
		t.Errorf("%v and %v share images", train, val)
	}
	if !slices.IsSorted(train) || !slices.IsSorted(val) {
		t.Errorf("%v and %v are not in the order of the names", train, val)
	}
	if !slices.Equal(val, names("val", 1)) || slices.Equal(val, names("val", 2)) {
		t.Error("the validation images do not depend on the seed alone")
	}
	for _, tt := range []struct {
		fraction   float64
		train, val int
	}{{0.001, 19, 1}, {0.999, 1, 19}} {
		c.ValFraction = tt.fraction
		if a, b := len(names("train", 1)), len(names("val", 1)); a != tt.train || b != tt.val {
			t.Errorf("val_fraction %v of 20: %d and %d images, want %d and %d", tt.fraction, a, b, tt.train, tt.val)
		}
	}
}

func TestFingerprint(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := data.WriteSynthetic(".", [2]int{8, 8}, 3, 1); err != nil {
		t.Fatal(err)
	}
	c := folderConfig(8, 8)
	fingerprint := func() string {
		s, err := data.Open(c, 1, "train")
		if err != nil {
			t.Fatal(err)
		}
		return s.Fingerprint()
	}
	first := fingerprint()
	if len(first) != 64 || fingerprint() != first {
		t.Errorf("fingerprint %q, then %q, want 64 equal digits", first, fingerprint())
	}
	seen := map[string]string{first: "the first"}
	changed := func(what string) {
		p := fingerprint()
		if seen[p] != "" {
			t.Errorf("%s has the fingerprint of %s", what, seen[p])
		}
		seen[p] = what
	}
	c.Size = [2]int{4, 16}
	changed("another size")
	c.Size = [2]int{8, 8}
	if err := os.Rename("images/train-000000.png", "images/x.png"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename("masks/train-000000.png", "masks/x.png"); err != nil {
		t.Fatal(err)
	}
	changed("another name")
	filetest.Write(t, "masks/x.png", filetest.Encode(t, ".png", filetest.RGB(8, 8)))
	changed("another mask")
	c = data.DefaultConfig()
	changed("another source")
}

func BenchmarkEpoch(b *testing.B) {
	c := data.DefaultConfig()
	c.Synthetic.Train = 64
	s, err := data.Open(c, 3, "train")
	if err != nil {
		b.Fatal(err)
	}
	l := data.NewLoader(s, data.LoaderConfig{BatchSize: 8, Shuffle: true, Augment: everything})
	b.ReportAllocs()
	epoch := 0
	for b.Loop() {
		for _, err := range l.Epoch(b.Context(), epoch, 0) {
			if err != nil {
				b.Fatal(err)
			}
		}
		epoch++
	}
	b.ReportMetric(float64(b.N*s.Len())/b.Elapsed().Seconds(), "images/s")
}

// Loaders that share batches out deliver together what one delivers, also of batches
// with fewer samples than there are loaders.
func TestParts(t *testing.T) {
	s := shapes(t, 13, "off")
	for _, parts := range []int{2, 3, 5} {
		cfg := data.LoaderConfig{BatchSize: 4, Shuffle: true, Augment: everything, Seed: 9, Workers: 3}
		want, _ := collect(t, data.NewLoader(s, cfg), 1, 2)
		got := make([]one, len(want))
		for part := range parts {
			cfg.Part, cfg.Parts = part, parts
			first, batches := 2, 0
			for b, err := range data.NewLoader(s, cfg).Epoch(t.Context(), 1, 2) {
				if err != nil {
					t.Fatal(err)
				}
				if whole := min(4, 13-first); b.WholeFirst != first || b.Whole != whole || b.N > (whole+parts-1)/parts || b.First < first || b.First+b.N > first+whole {
					t.Errorf("part %d of %d: samples %d+%d of batch %d+%d, want it %d+%d", part, parts, b.First, b.N, b.WholeFirst, b.Whole, first, whole)
				}
				pixels := b.H * b.W
				for i, name := range b.Names {
					got[b.First-2+i] = one{name, slices.Clone(b.Images[i*pixels*3:][:pixels*3]), slices.Clone(b.Targets[i*pixels*b.C:][:pixels*b.C])}
				}
				first += b.Whole
				batches++
			}
			if batches != 3 {
				t.Errorf("part %d of %d: %d batches, want 3", part, parts, batches)
			}
		}
		if err := same(got, want); err != nil {
			t.Errorf("%d parts: %v", parts, err)
		}
	}
}
