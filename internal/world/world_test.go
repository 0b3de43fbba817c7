package world_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
	"github.com/unet-gorgonia/unet-gorgonia/internal/world/worldtest"
)

func TestPart(t *testing.T) {
	for n := range 9 {
		for size := 1; size < 5; size++ {
			end := 0
			for rank := range size {
				lo, hi := world.Part(n, rank, size)
				if lo != end || hi-lo < n/size || hi-lo > (n+size-1)/size {
					t.Errorf("part %d of %d of %d: %d..%d, want it from %d on, as large as the others", rank, size, n, lo, hi, end)
				}
				end = hi
			}
			if end != n {
				t.Errorf("%d parts of %d end at %d", size, n, end)
			}
		}
	}
}

func TestAgree(t *testing.T) {
	missing := fmt.Errorf("a: %w", fs.ErrNotExist)
	canceled := fmt.Errorf("reading: %w", context.Canceled)
	host := world.Host()
	for name, tc := range map[string]struct {
		errs [3]error
		want string // "": nil
		is   error  // in all processes
	}{
		"none":                  {},
		"all alike":             {errs: [3]error{missing, missing, missing}, want: "a: file does not exist", is: fs.ErrNotExist},
		"one":                   {errs: [3]error{1: missing}, want: "rank 1 on " + host + ": a: file does not exist"},
		"two":                   {errs: [3]error{1: missing, 2: errors.New("b\nc")}, want: "rank 1 on " + host + ": a: file does not exist\nrank 2 on " + host + ": b\nrank 2 on " + host + ": c"},
		"one is stopped":        {errs: [3]error{2: canceled}, want: "canceled", is: context.Canceled},
		"stopped, and an error": {errs: [3]error{0: canceled, 2: missing}, want: "rank 2 on " + host + ": a: file does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			worldtest.Run(t, 3, func(w world.World) {
				own := tc.errs[w.Rank()]
				err := world.Agree(w, own)
				var agreed world.Agreed
				switch {
				case tc.want == "" && err == nil:
				case tc.is != context.Canceled && errors.Is(err, context.Canceled):
					t.Errorf("rank %d: %v is canceled", w.Rank(), err)
				case !errors.As(err, &agreed), !strings.Contains(err.Error(), tc.want), tc.is != nil && !errors.Is(err, tc.is), tc.is != context.Canceled && own != nil && !errors.Is(own, context.Canceled) && !errors.Is(err, own):
					t.Errorf("rank %d: %v, want %q", w.Rank(), err, tc.want)
				}
			})
		})
	}
}

func TestSame(t *testing.T) {
	long := strings.Repeat("x", 100)
	for _, tc := range []struct{ values, want string }{
		{"a a a", ""},
		{"avx512 avx2 avx512", `rank 1 on HOST: another kernel than that of rank 0 on HOST, "avx512"`},
		{"a b c", `rank 1 on HOST, rank 2 on HOST: another kernel than that of rank 0 on HOST, "a"`},
		{long + "a " + long + "a " + long + "b", `rank 2 on HOST: another kernel than that of rank 0 on HOST`},
	} {
		worldtest.Run(t, 3, func(w world.World) {
			text := ""
			if err := world.Same(w, "kernel", []byte(strings.Fields(tc.values)[w.Rank()])); err != nil {
				text = err.Error()
			}
			if want := strings.ReplaceAll(tc.want, "HOST", world.Host()); text != want {
				t.Errorf("rank %d: %q, want %q", w.Rank(), text, want)
			}
		})
	}
}
