package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
)

// TestMPI starts the program, built with MPI, by mpirun. It is skipped where either is
// absent.
func TestMPI(t *testing.T) {
	if testing.Short() {
		t.Skip("in internal/train, goroutines do the same")
	}
	if _, err := exec.LookPath("mpirun"); err != nil {
		t.Skip(err)
	}
	if out, err := exec.Command("pkg-config", "--exists", "--print-errors", "mpi-c").CombinedOutput(); err != nil {
		t.Skipf("pkg-config: %s", out)
	}
	program := filepath.Join(t.TempDir(), "train")
	build := exec.Command("go", "build", "-buildvcs=false", "-tags", "mpi", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m := mpi{program}
	t.Run("same", m.same)
	t.Run("errors", m.errors)
	t.Run("faults", m.faults)
}

// mpi starts trainings by several processes.
type mpi struct{ program string }

// mpiEnvironment lets any user, such as that of a container, start more processes than there
// are cores, which then yield to each other, and has
// mpirun kill at once what is left when one has failed.
var mpiEnvironment = []string{
	"OMPI_ALLOW_RUN_AS_ROOT=1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1", "OMPI_MCA_rmaps_base_oversubscribe=1",
	"OMPI_MCA_mpi_yield_when_idle=1", "OMPI_MCA_hwloc_base_binding_policy=none",
	"OMPI_MCA_odls_base_sigkill_timeout=0",
}

// command is mpirun with arguments, of which PROGRAM is the program.
func (m mpi) command(args ...string) *exec.Cmd {
	args = slices.Clone(args)
	for i, a := range args {
		if a == "PROGRAM" {
			args[i] = m.program
		}
	}
	cmd := exec.Command("mpirun", args...)
	cmd.Env = append(os.Environ(), mpiEnvironment...)
	return cmd
}

// train trains by so many processes.
func (m mpi) train(t *testing.T, processes int, args ...string) outcome {
	t.Helper()
	return finish(t, m.command(append([]string{"-n", fmt.Sprint(processes), "PROGRAM"}, args...)...))
}

// finish runs a command to its end.
func finish(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Fatal(err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// few is a run of 9 images in batches of 4, so that each epoch ends with a batch of 1: three
// steps of SGD, of which the first two are compared.
func few(flags ...string) []string {
	return append([]string{"--set", "threads=1", "--set", "report.pictures=false", "--set", "data.size=[16, 16]", "--set", "data.synthetic={train: 9, val: 3}",
		"--set", "model={base_channels: 4, depth: 2, dropout: 0.2}", "--set", "optimizer={name: sgd, lr: 0.05}", "--set", "data.augment={rotate: 20}",
		"--set", "train={epochs: 1, batch_size: 4, ema: 0.9}", "--set", "checkpoint={every_steps: 1, keep: 9}", "--config", "few.yaml"}, flags...)
}

// closeTo checks that two checkpoints are as near to each other as rounding lets them be.
func closeTo(t *testing.T, got, want string) {
	t.Helper()
	g, err := checkpoint.Read(got)
	succeed(t, err)
	w, err := checkpoint.Read(want)
	succeed(t, err)
	for i, x := range w.Tensors {
		for k, v := range x.Data {
			if d := math.Abs(float64(g.Tensors[i].Data[k] - v)); !(d < 1e-5) {
				t.Errorf("%s: %s is %g from that of %s", got, x.Name, d, want)
				break
			}
		}
	}
}

func step(run string, n int) string {
	return fmt.Sprintf("%s/checkpoints/step-%08d.safetensors", run, n)
}

// Several processes train as one does; the same number of them ends with the same bits;
// another number goes on in the middle of an epoch.
func (m mpi) same(t *testing.T) {
	inFolder(t)
	write(t, "few.yaml", "")
	must(t, few("--out", "one")...)
	for _, n := range []int{1, 2, 3, 4} {
		out := fmt.Sprint("by", n)
		o := m.train(t, n, few("--out", out)...)
		if o.code != 0 {
			t.Fatalf("%d processes: exit code %d\n%s", n, o.code, o.stderr)
		}
		if told := strings.Count(o.stderr, "epoch 1/1"); told != 1 || strings.Count(o.stdout, "best mIoU") != 1 {
			t.Errorf("%d processes tell their results:\n%s%s", n, o.stdout, o.stderr)
		}
		closeTo(t, step(out, 1), step("one", 1))
		closeTo(t, step(out, 2), step("one", 2))
		if got, want := names(out+"/checkpoints", ""), names("one/checkpoints", ""); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%d processes: checkpoints %v, want %v", n, got, want)
		}
	}
	if o := m.train(t, 2, few("--out", "again")...); o.code != 0 {
		t.Fatal(o.stderr)
	}
	equalRuns(t, "again", "by2")

	// Processes that may run on the same cores share them.
	o := m.train(t, 2, few("--out", "shared", "--set", "threads=0")...)
	if want := strings.TrimSuffix(fmt.Sprintf("2 on %s; %d threads", world.Host(), max(1, runtime.GOMAXPROCS(0)/2)), "s"); !strings.Contains(o.stderr, want) {
		t.Errorf("%s\nwant %q", o.stderr, want)
	}

	if o := m.train(t, 4, few("--out", "four", "--resume", step("by2", 1))...); o.code != 0 {
		t.Fatal(o.stderr)
	}
	must(t, few("--out", "end", "--resume", step("four", 2))...)
	closeTo(t, step("four", 2), step("one", 2))
	closeTo(t, step("end", 3), step("by2", 3))
}

// A mistake is told once, with its exit code, and nobody waits for ever.
func (m mpi) errors(t *testing.T) {
	inFolder(t)
	write(t, "few.yaml", "")
	succeed(t, os.MkdirAll("set/images", 0o755))
	succeed(t, os.MkdirAll("set/masks", 0o755))
	host := world.Host()
	plain, err := os.Executable()
	succeed(t, err)
	must(t, few("--out", "held", "--quiet")...)
	for name, tc := range map[string]struct {
		args []string // of mpirun
		code int
		want string
	}{
		"an unknown key":      {append([]string{"-n", "2", "PROGRAM"}, few("--set", "seeed=1")...), exitUsage, "train: --set seeed=1: unknown key seeed, did you mean seed?"},
		"a folder in use":     {append([]string{"-n", "2", "PROGRAM"}, few("--out", "held")...), exitUsage, "train: rank 0 on " + host + ": held/checkpoints holds checkpoints already"},
		"different keys":      {append(append([]string{"-n", "1", "PROGRAM"}, few("--out", "a")...), append([]string{":", "-n", "1", "PROGRAM"}, few("--out", "a", "--set", "seed=3")...)...), exitFailed, "train: rank 1 on " + host + ": another configuration than that of rank 0 on " + host + ": other seed"},
		"no images":           {append([]string{"-n", "2", "PROGRAM"}, few("--set", "data.source=folder", "--set", "data.train=set")...), exitFailed, "train: data"},
		"one without its set": {append(append([]string{"-n", "1", "PROGRAM"}, few("--out", "a")...), append([]string{":", "-n", "1", "-wdir", "set", "PROGRAM"}, append(few("--out", "a"), "--config", "../few.yaml", "--set", "data.source=folder", "--set", "data.train=images")...)...), exitFailed, "train: rank 1 on " + host + ": data: open images/masks"},
		"built without MPI":   {append([]string{"-n", "2", plain}, few("--out", "b")...), exitUsage, "started as one of 2 processes (OMPI_COMM_WORLD_SIZE = 2), but built without MPI: build the program with go build -tags mpi"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := m.command(tc.args...)
			cmd.Env = append(cmd.Env, asProgram+"=1")
			o := finish(t, cmd)
			if o.code != tc.code || !strings.Contains(o.stderr, tc.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", o.code, tc.code, tc.want, o.stderr)
			}
			if told := strings.Count(o.stderr, tc.want); told != 1 && name != "built without MPI" {
				t.Errorf("told %d times:\n%s", told, o.stderr)
			}
		})
	}
}

// SIGTERM is heard by all, and saves. A process that is killed, or stopped, ends all.
// Then fewer processes go on.
func (m mpi) faults(t *testing.T) {
	inFolder(t)
	write(t, "few.yaml", "")
	for name, tc := range map[string]struct {
		harm func(t *testing.T, mpirun *os.Process, rank1 int)
		want string
	}{
		"SIGTERM": {func(t *testing.T, mpirun *os.Process, _ int) { succeed(t, mpirun.Signal(syscall.SIGTERM)) }, "train: interrupted: saved to SIGTERM/checkpoints, --resume auto goes on from there"},
		"SIGKILL": {func(t *testing.T, _ *os.Process, rank1 int) { succeed(t, syscall.Kill(rank1, syscall.SIGKILL)) }, "exited on signal 9"},
		"SIGSTOP": {func(t *testing.T, _ *os.Process, rank1 int) { succeed(t, syscall.Kill(rank1, syscall.SIGSTOP)) }, "rank 0 on " + world.Host() + ": no answer of the other processes in 2s (mpi.timeout)"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := m.command(append([]string{"-n", "2", "PROGRAM"}, few("--out", name, "--epochs", "100000", "--set", "mpi.timeout=2")...)...)
			if name == "SIGTERM" { // mpirun waits for as long
				cmd.Env = append(cmd.Env, "OMPI_MCA_odls_base_sigkill_timeout=3")
			}
			p := &process{cmd: cmd, ended: make(chan struct{})}
			cmd.Stderr = &p.stderr
			succeed(t, cmd.Start())
			go func() {
				cmd.Wait() // its outcome is in ProcessState
				close(p.ended)
			}()
			t.Cleanup(p.kill)
			p.awaitLine(t, "epoch 2/")
			tc.harm(t, cmd.Process, children(t, cmd.Process.Pid)[1])
			if code := p.status().ExitStatus(); code == 0 || !strings.Contains(p.stderr.String(), tc.want) {
				t.Errorf("exit code %d, want another than 0, and %q:\n%s", code, tc.want, p.stderr.String())
			}
			at, err := load(t, name, "last").Position()
			succeed(t, err)
			more := fmt.Sprint(at.Epoch + 2)
			if o := m.train(t, 1, few("--out", name, "--resume", "auto", "--epochs", more)...); o.code != 0 || !strings.Contains(o.stderr, "resuming at step") {
				t.Errorf("exit code %d\n%s", o.code, o.stderr)
			}
		})
	}
}

// children are the processes that a process has started, in the order of their numbers.
func children(t *testing.T, pid int) (pids []int) {
	t.Helper()
	text := read(t, fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	for _, field := range strings.Fields(text) {
		var n int
		_, err := fmt.Sscan(field, &n)
		succeed(t, err)
		pids = append(pids, n)
	}
	return pids
}

// A program without MPI that was started as one of several processes would do everything
// several times.
func TestStartedSeveralTimes(t *testing.T) {
	inFolder(t)
	for command, want := range map[string]string{
		"":         "train: started as one of 2 processes (PMI_SIZE = 2), but built without MPI",
		"crossval": "train: crossval was started as one of 2 processes (PMI_SIZE = 2), but only training is shared by several: start it without mpirun",
	} {
		var stdout, stderr bytes.Buffer
		p := &program{name: "train", stdout: &stdout, stderr: &stderr, environ: []string{"PMI_SIZE=2"}}
		args := []string{"--config", "tiny.yaml"}
		if command != "" {
			args = append([]string{command}, args...)
		}
		if code := execute(t.Context(), args, p); code != exitUsage || !strings.HasPrefix(stderr.String(), want) {
			t.Errorf("%s: exit code %d, want %d and %q:\n%s", command, code, exitUsage, want, stderr.String())
		}
	}
}
