package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// footprint is what a process holds of its machine.
type footprint struct {
	resident, live    int // KiB: of the process, and of its heap what is in use
	goroutines, files int
}

func (f footprint) String() string {
	return fmt.Sprintf("%d KiB resident, %d KiB live, %d goroutines, %d open files", f.resident, f.live, f.goroutines, f.files)
}

var resident = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

func measure(t *testing.T) footprint {
	debug.FreeOSMemory() // what waits to be collected is not held
	m := resident.FindStringSubmatch(read(t, "/proc/self/status"))
	if m == nil {
		t.Fatal("/proc/self/status has no VmRSS")
	}
	kib, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return footprint{kib, int(memory.HeapAlloc >> 10), runtime.NumGoroutine(), len(files)}
}

// A night of training, reading its images anew in each epoch, needs no more than
// its first minutes.
func TestEndurance(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for 5,000 steps")
	}
	inFolder(t)
	rng := rand.New(rand.NewPCG(1, 0))
	for i := range 100 {
		mask := make([]uint8, 16*16)
		for j := range mask {
			mask[j] = uint8(rng.IntN(4))
		}
		for _, kind := range []string{"images", "masks"} {
			write(t, fmt.Sprintf("set/%s/%03d.png", kind, i), "")
			if err := imagefile.WriteMask(fmt.Sprintf("set/%s/%03d.png", kind, i), mask, 16, 16, data.Colors(data.DefaultConfig())); err != nil {
				t.Fatal(err)
			}
		}
	}
	flags := tiny("--set", "data={source: folder, train: set, val: set, cache: off}", "--set", "train.batch_size=2", "--set", "model={base_channels: 16, depth: 2}")
	must(t, append(flags, "--epochs", "20", "--out", "before")...) // so that code and runtime have settled
	var early, late footprint
	o := when(t.Context(), map[string]func(){
		"epoch 10/100 ":  func() { early = measure(t) }, // after step 500
		"epoch 100/100 ": func() { late = measure(t) },  // after step 5,000
	}, append(flags, "--epochs", "100")...)
	if o.code != 0 {
		t.Fatalf("exit code %d\n%s", o.code, o.stderr)
	}
	t.Logf("after 500 steps %v, after 5,000 %v", early, late)
	if step := load(t, "run", "last").Meta["step"]; step != "5000" {
		t.Errorf("ended at step %s, want 5000", step)
	}
	// Go's own caches of free pages come and go by a MiB or so, much beside a tiny net.
	if grown := late.resident - early.resident; grown > max(early.resident/20, 2<<10) {
		t.Errorf("resident memory grew by %d KiB, want at most 5 %% or 2 MiB", grown)
	}
	if late.live > early.live+early.live/20 {
		t.Errorf("the live heap grew by %d KiB, want at most 5 %%", late.live-early.live)
	}
	// The kernels' helpers, one per core but the first, end after a pause and begin again.
	helpers := runtime.GOMAXPROCS(0) - 1
	if late.goroutines > early.goroutines+helpers || early.files != late.files {
		t.Errorf("after 500 steps %v, after 5,000 %v: want as many goroutines, but for %d helpers, and files", early, late, helpers)
	}
}
