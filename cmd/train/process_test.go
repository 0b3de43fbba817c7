package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// asProgram makes the test binary the program, so that a test can start it as a
// process of its own.
const asProgram = "TRAIN_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	if signal.Ignored(syscall.SIGHUP) { // under nohup; processes that tests start get it all the same
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	os.Exit(m.Run())
}

// process is the program under way.
type process struct {
	cmd    *exec.Cmd
	stderr transcript
	ended  chan struct{}
}

// transcript is what a process wrote so far.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *transcript) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// start starts the program with additional variables in its environment.
func start(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(self, args...), ended: make(chan struct{})}
	p.cmd.Args[0] = "train"
	p.cmd.Env = append(append(os.Environ(), asProgram+"=1"), environ...)
	p.cmd.Stderr = &p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.cmd.Wait() // its outcome is in ProcessState
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

// await looks again and again until ok holds; false says that the process ended before.
func (p *process) await(ok func() bool) bool {
	for !ok() {
		select {
		case <-p.ended:
			return ok()
		case <-time.After(100 * time.Microsecond):
		}
	}
	return true
}

// awaitLine waits until the process has written text to stderr.
func (p *process) awaitLine(t *testing.T, text string) {
	t.Helper()
	if !p.await(func() bool { return strings.Contains(p.stderr.String(), text) }) {
		t.Fatalf("the process ended without a line %q:\n%s", text, p.stderr.String())
	}
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// kill ends the process, if it has not ended, by SIGKILL.
func (p *process) kill() {
	p.cmd.Process.Kill() // fails when the process has ended
	<-p.ended
}

// status is how the process ended.
func (p *process) status() syscall.WaitStatus {
	<-p.ended
	return p.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// names are the files in dir of which the name begins with prefix.
func names(dir, prefix string) []string {
	entries, _ := os.ReadDir(dir) // no folder, no files
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names
}

// temporary are the half-written files of a run.
func temporary(run string) []string {
	return append(names(run, "."), names(filepath.Join(run, "checkpoints"), ".")...)
}

// equalRuns checks that two runs ended with the same bits: weights, running
// statistics, moments, position, and the metrics but for speed and time.
func equalRuns(t *testing.T, got, want string) {
	t.Helper()
	for _, name := range []string{"last", "best"} {
		if d := difference(load(t, got, name), load(t, want, name)); d != "" {
			t.Errorf("%s: %s of %s", got, d, name)
		}
	}
	if g, w := metrics(t, got), metrics(t, want); g != w {
		t.Errorf("%s: metrics\n%swant\n%s", got, g, w)
	}
}

func load(t *testing.T, run, name string) *checkpoint.Checkpoint {
	t.Helper()
	c, err := checkpoint.Read(filepath.Join(run, "checkpoints", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// difference says in what two checkpoints differ, but for the configuration.
func difference(got, want *checkpoint.Checkpoint) string {
	for i, w := range want.Tensors {
		if i >= len(got.Tensors) || got.Tensors[i].Name != w.Name {
			return "there is no " + w.Name
		}
		if !slices.EqualFunc(got.Tensors[i].Data, w.Data, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
			return "other " + w.Name
		}
	}
	for _, key := range slices.Sorted(maps.Keys(want.Meta)) {
		if g, w := got.Meta[key], want.Meta[key]; g != w && key != "config" && key != "header_sha256" {
			return fmt.Sprintf("%s = %s, want that of step %s, %s", key, g, want.Meta["step"], w)
		}
	}
	return ""
}

// metrics is metrics.csv without its last two columns, images_per_second and seconds.
func metrics(t *testing.T, run string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(read(t, filepath.Join(run, "metrics.csv"))) {
		cells := strings.Split(line, ",")
		b.WriteString(strings.Join(cells[:len(cells)-2], ",") + "\n")
	}
	return b.String()
}

// when runs the program and does what is to be done when it has written a text
// to stderr: in the middle of the run, before it goes on.
func when(ctx context.Context, do map[string]func(), args ...string) outcome {
	var stdout, stderr bytes.Buffer
	code := execute(ctx, args, &program{name: "train", stdout: &stdout, stderr: writerFunc(func(b []byte) (int, error) {
		for text, f := range do {
			if bytes.HasPrefix(b, []byte(text)) {
				f()
			}
		}
		return stderr.Write(b)
	})})
	return outcome{code, stdout.String(), stderr.String()}
}

// says reports whether a line begins with one text and contains another.
func says(text, begin, contains string) bool {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, begin) && strings.Contains(line, contains) {
			return true
		}
	}
	return false
}

// A training that is killed again and again, in every phase of its life, and
// resumed each time ends like one that never was.
func TestKilledAtAnyMoment(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 8
	}
	inFolder(t)
	write(t, "killed.yaml", fmt.Sprintf(`
out: run
threads: 1
data: {size: [16, 16], synthetic: {train: 15, val: 2}, augment: {rotate: 20, brightness: 0.2}}
model: {base_channels: 8, depth: 2, dropout: 0.2}
train: {epochs: %d, batch_size: 2}
checkpoint: {every_steps: 1, keep: 1}
`, kills))
	must(t, "--config", "killed.yaml", "--set", "out=straight", "--set", "checkpoint.every_steps=0")

	const checkpoints = "run/checkpoints"
	rng := rand.New(rand.NewPCG(4, 1))
	var left []string // by the process killed last
	writing, resumed := 0, 0
	for n := range kills {
		p := start(t, nil, "--config", "killed.yaml", "--resume", "auto")
		var last os.FileInfo
		saves := 0 // that were seen
		saved := func() int {
			now, err := os.Stat(checkpoints + "/last.safetensors")
			if err == nil && (last == nil || !os.SameFile(last, now)) {
				last = now
				saves++
			}
			return saves
		}
		var moment time.Duration
		count := 1 + rng.IntN(3)
		switch n % 4 {
		case 0: // while it starts, and a little later
			moment = time.Duration(rng.Int64N(int64(150 * time.Millisecond)))
		case 1: // in a step, a validation, or between two
			p.await(func() bool { return saved() > count })
			moment = time.Duration(rng.Int64N(int64(20 * time.Millisecond)))
		default: // in the middle of writing a checkpoint; at once, too: a fast disk takes less than a millisecond
			p.await(func() bool { return saved() > count && len(names(checkpoints, ".step-")) > 0 })
			moment = time.Duration(rng.Int64N(int64(time.Millisecond)) * int64(n%2))
		}
		timer := time.Now().Add(moment)
		p.await(func() bool { return time.Now().After(timer) || saved() > 5 }) // leave something for the others
		p.kill()
		if p.status().Exited() {
			t.Fatalf("the training ended after %d kills, exit code %d\n%s", n, p.status().ExitStatus(), p.stderr.String())
		}
		said := p.stderr.String()
		if strings.Contains(said, "passed over") {
			t.Errorf("kill %d damaged a checkpoint:\n%s", n, said)
		}
		now := temporary("run")
		if strings.Contains(said, "resuming at") {
			resumed++
			for _, name := range left {
				if slices.Contains(now, name) && !strings.HasSuffix(name, "safetensors0") { // the one name that comes again
					t.Errorf("after kill %d, %s of the one before is still there", n, name)
				}
			}
		}
		left = now
		if len(names(checkpoints, ".")) > 0 {
			writing++
		}
	}
	step := load(t, "run", "last").Meta["step"]
	t.Logf("%d kills, %d while a checkpoint was being written; %d times resumed; now at step %s of %d", kills, writing, resumed, step, 8*kills)
	if writing < kills/8 || resumed < kills/2 {
		t.Errorf("of %d kills %d hit a checkpoint being written, and %d a resumed training: too few", kills, writing, resumed)
	}
	must(t, "--config", "killed.yaml", "--resume", "auto")
	equalRuns(t, "run", "straight")
	if names := temporary("run"); len(names) > 0 {
		t.Errorf("%v are left over", names)
	}
}

// What a kill may leave in a run folder is gone after the next start, also when
// there is nothing left to train.
func TestStartRemovesTemporaryFiles(t *testing.T) {
	inFolder(t)
	must(t, tiny()...)
	stale := []string{"run/.config.yaml123", "run/.metrics.csv9", "run/checkpoints/.step-00000004.safetensors77", "run/checkpoints/.last.safetensors0"}
	other := []string{"run/.notes", "run/.config.yaml.swp", "run/checkpoints/.mine.safetensors1"}
	for _, path := range append(stale, other...) {
		write(t, path, "half")
	}
	must(t, tiny("--resume", "auto")...)
	for _, path := range stale {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
	for _, path := range other {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("not a file of the program: %v", err)
		}
	}
}

// Ctrl-C, SIGTERM and SIGHUP end training with a checkpoint, from which it goes on.
func TestSignalSavesAndTellsHowToResume(t *testing.T) {
	inFolder(t)
	long := tiny("--epochs", "150")
	must(t, append(long, "--out", "straight")...)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			out := "run " + s.String()
			p := start(t, nil, append(long, "--out", out)...)
			p.awaitLine(t, "epoch 2/150")
			p.signal(t, s)
			status, said := p.status(), p.stderr.String()
			if status.ExitStatus() != 130 {
				t.Fatalf("exit code %d, want 130\n%s", status.ExitStatus(), said)
			}
			if want := "train: interrupted: saved to " + out + "/checkpoints, --resume auto goes on from there\n"; !strings.HasSuffix(said, want) {
				t.Errorf("got %q, want it to end with %q", said, want)
			}
			must(t, append(long, "--out", out, "--resume", "auto")...)
			equalRuns(t, out, "straight")
		})
	}
}

// Ctrl-Z stops a run, which then goes on as if nothing had happened: nobody else
// may train in its folder, and the time in between counts nowhere.
func TestStopsAndGoesOn(t *testing.T) {
	inFolder(t)
	long := tiny("--set", "data.synthetic.train=3000")
	begin := time.Now()
	p := start(t, nil, long...)
	p.await(func() bool { // until it is in the middle of an epoch
		log, _ := os.ReadFile("run/log.jsonl")
		return bytes.Count(log, []byte(`"step"`)) > 10
	})
	p.signal(t, syscall.SIGTSTP)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("status %#x, %v: want it stopped\n%s", status, err, p.stderr.String())
	}
	stop := time.Now()
	written := read(t, "run/log.jsonl")
	check(t, command(t, append(long, "--resume", "auto")...), 1, []string{
		"train: another run is training in run: wait for it to end, or choose another folder with --out"})
	must(t, append(long, "--out", "straight")...)
	if read(t, "run/log.jsonl") != written {
		t.Error("it went on while it was stopped")
	}
	stopped := time.Since(stop)
	p.signal(t, syscall.SIGCONT)
	if status := p.status(); status.ExitStatus() != 0 {
		t.Fatalf("status %#x\n%s", status, p.stderr.String())
	}
	equalRuns(t, "run", "straight")

	counted := 0.0 // seconds, of all epochs
	for line := range strings.Lines(read(t, "run/log.jsonl")) {
		var e struct {
			Event string
			Data  struct{ Seconds float64 }
		}
		decode(t, line, &e)
		if e.Event == "epoch" {
			counted += e.Data.Seconds
		}
	}
	if worked := (time.Since(begin) - stopped).Seconds(); counted > worked {
		t.Errorf("the epochs took %.3f s, want at most the %.3f s in which it was not stopped", counted, worked)
	}
}

// slowSteps is a run of which a step takes half a second or so.
const slowSteps = `
out: slow
threads: 1
kernel: generic
data: {size: [128, 128], synthetic: {train: 12, val: 1}}
model: {base_channels: 16, depth: 1}
train: {epochs: 1, batch_size: 6}
checkpoint: {every_steps: 1}
`

// One who cannot wait for the end of a step sends a second signal, and loses that step only.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	inFolder(t)
	slow := []string{"--config", "slow.yaml", "--quiet"} // a step takes half a second or so
	write(t, "slow.yaml", slowSteps)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			out := "run " + s.String()
			p := start(t, nil, append(slow, "--out", out)...)
			p.await(func() bool { return len(names(out+"/checkpoints", "last.")) > 0 })
			p.signal(t, s)
			p.awaitLine(t, "train: stopping; a second signal stops at once\n")
			p.signal(t, s)
			if status := p.status(); !status.Signaled() || status.Signal() != s {
				t.Errorf("ended with status %#x, want by %v\n%s", status, s, p.stderr.String())
			}
			if step := load(t, out, "last").Meta["step"]; step != "1" {
				t.Errorf("the last checkpoint is of step %s, want 1", step)
			}
		})
	}
}

// Two trainings in one folder would write over each other's files.
func TestTwoRunsInOneFolder(t *testing.T) {
	inFolder(t)
	long := tiny("--epochs", "100000", "--set", "checkpoint.every_steps=1")
	p := start(t, nil, long...)
	p.awaitLine(t, "images for training")
	p.await(func() bool { return len(names("run/checkpoints", "last.")) > 0 })
	before := read(t, "run/config.yaml")
	want := []string{"train: another run is training in run: wait for it to end, or choose another folder with --out"}
	check(t, command(t, tiny()...), 1, want)
	check(t, command(t, tiny("--resume", "auto")...), 1, want)
	if read(t, "run/config.yaml") != before {
		t.Error("the one that was refused wrote config.yaml")
	}
	must(t, tiny("--out", "other")...)
	p.kill()
	if o := command(t, append(long, "--resume", "auto", "--epochs", "1")...); o.code != 0 || !strings.Contains(o.stderr, "resuming from run/checkpoints/last.safetensors") {
		t.Errorf("after the first one was killed: exit code %d\n%s", o.code, o.stderr)
	}
}

// A run is a function of its configuration and data: not of the clock, nor of
// the number of workers that read images, one per core that Go is given.
func TestSameSeedSameRun(t *testing.T) {
	inFolder(t)
	flags := tiny("--set", "data.augment={rotate: 20, scale: [0.8, 1.2], brightness: 0.2}", "--set", "model.dropout=0.3", "--set", "data.synthetic={train: 11, val: 5}")
	must(t, append(flags, "--out", "first")...)
	for _, workers := range []string{"1", "2", "4"} {
		p := start(t, []string{"GOMAXPROCS=" + workers}, append(flags, "--out", workers)...)
		if code := p.status().ExitStatus(); code != 0 {
			t.Fatalf("exit code %d\n%s", code, p.stderr.String())
		}
		equalRuns(t, workers, "first")
	}
	must(t, append(flags, "--out", "other", "--set", "seed=43")...)
	if d := difference(load(t, "other", "last"), load(t, "first", "last")); !strings.HasPrefix(d, "other ") {
		t.Errorf("another seed: %q, want other weights", d)
	}
	if metrics(t, "other") == metrics(t, "first") {
		t.Error("another seed gives the same metrics")
	}
}

// A file that goes bad between two epochs, when images are not kept in memory,
// ends the run with its name; what was saved before is whole, and the run goes on
// from there when the file is back.
func TestFilesThatChangeOrVanish(t *testing.T) {
	inFolder(t)
	must(t, "synth", "--out", "set", "--count", "6")
	must(t, "synth", "--out", "val", "--count", "3", "--seed", "1")
	flags := tiny("--epochs", "4", "--set", "data={source: folder, train: set, val: val, cache: off}")
	must(t, append(flags, "--out", "straight")...)
	palette := data.Colors(data.DefaultConfig())
	smaller := func(t *testing.T, path string) {
		if err := imagefile.WriteMask(path, make([]uint8, 12), 3, 4, palette); err != nil {
			t.Error(err)
		}
	}
	const image, mask = "set/images/train-000003.png", "set/masks/train-000003.png"
	for _, tc := range []struct {
		name, path string
		change     func(t *testing.T, path string)
		want       string
	}{
		{"image vanishes", image, remove, "image " + image + ": no such file or directory"},
		{"mask vanishes", mask, remove, "mask " + mask + ": no such file or directory"},
		{"validation image vanishes", "val/images/train-000001.png", remove, "image val/images/train-000001.png: no such file or directory"},
		{"image cut off", image, func(t *testing.T, path string) {
			if err := os.Truncate(path, 1000); err != nil {
				t.Error(err)
			}
		}, "image " + image + ": "},
		{"image of another size", image, smaller, "image " + image + " is 4x3 pixels, its mask " + mask + " is 128x128, want equal sizes"},
		{"mask of another size", mask, smaller, "image " + image + " is 128x128 pixels, its mask " + mask + " is 4x3, want equal sizes"},
		{"class out of range", mask, func(t *testing.T, path string) {
			if err := imagefile.WriteMask(path, slices.Repeat([]uint8{9}, 128*128), 128, 128, slices.Repeat(palette, 3)); err != nil {
				t.Error(err)
			}
		}, "mask " + mask + ": pixel (0, 0) has class 9, want 0..3 or ignore 255"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			good := read(t, tc.path)
			out := "run " + tc.name
			o := when(t.Context(), map[string]func(){"epoch 2/4": func() { tc.change(t, tc.path) }}, append(flags, "--out", out)...)
			if o.code != 1 || !says(o.stderr, "train: data: "+tc.want, "") {
				t.Errorf("exit code %d, want 1 and %q\n%s", o.code, tc.want, o.stderr)
			}
			if meta := load(t, out, "last").Meta; meta["epoch"] != "2" || meta["sample_in_epoch"] != "0" {
				t.Errorf("the last checkpoint is of epoch %s, image %s, want the end of the second epoch", meta["epoch"], meta["sample_in_epoch"])
			}
			write(t, tc.path, good)
			must(t, append(flags, "--out", out, "--resume", "auto")...)
			equalRuns(t, out, "straight")
		})
	}
}

func remove(t *testing.T, path string) {
	if err := os.Remove(path); err != nil {
		t.Error(err)
	}
}

// A command that is killed while it writes leaves whole files under final names and
// nothing else but hidden ones, which the next time removes.
func TestKilledWhileWriting(t *testing.T) {
	kills := 16
	if testing.Short() {
		kills = 6
	}
	withRun(t)
	must(t, "synth", "--out", "many", "--count", "6", "--seed", "3")
	export := []string{"export", "--checkpoint", best, "--format", "pytorch", "--out", "out/net.py"}
	predict := []string{"predict", "--checkpoint", best, "--input", "many/images", "--out", "out", "--tile", "--probabilities", "--overlay"}
	evaluate := []string{"evaluate", "--checkpoint", best, "--data", "many", "--pictures", "out"}
	// What each makes when nobody kills it.
	whole := map[string]map[string]string{}
	for _, args := range [][]string{export, predict, evaluate} {
		succeed(t, os.MkdirAll("out", 0o755))
		must(t, args...)
		whole[args[0]] = contents(t, "out")
		succeed(t, os.RemoveAll("out"))
	}
	rng := rand.New(rand.NewPCG(16, 9))
	left, killed := 0, 0
	for n := range kills {
		args := [][]string{predict, evaluate, predict, export}[n%4]
		want := whole[args[0]]
		succeed(t, os.Mkdir("out", 0o755))
		p := start(t, nil, args...)
		count := 1 + rng.IntN(len(want))
		p.await(func() bool { return len(names("out", "")) >= count || len(names("out", ".")) > 0 && rng.IntN(4) == 0 })
		p.kill()
		if p.status().Signaled() {
			killed++
		}
		for path, text := range contents(t, "out") {
			if temporary := strings.HasPrefix(path, "out/."); !temporary && text != want[path] {
				t.Errorf("%s: %s is not whole: %d bytes of %d", args[0], path, len(text), len(want[path]))
			} else if temporary {
				left++
			}
		}
		must(t, append(args, "--force")...)
		if paths := changed(want, contents(t, "out")); len(paths) > 0 {
			t.Errorf("%s: %v differ after the next time", args[0], paths)
		}
		succeed(t, os.RemoveAll("out"))
	}
	t.Logf("%d kills of %d, %d files half-written", killed, kills, left)
	if killed < kills/2 {
		t.Errorf("only %d of %d were killed", killed, kills)
	}
}
