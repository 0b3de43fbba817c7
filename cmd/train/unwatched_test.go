package main

import (
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// startWith starts the program with files for stdout and stderr. What the process
// has of them the test has no longer.
func startWith(t *testing.T, stdout, stderr *os.File, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	succeed(t, err)
	p := &process{cmd: exec.Command(self, args...), ended: make(chan struct{})}
	p.cmd.Args[0] = "train"
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.Stdout, p.cmd.Stderr = stdout, stderr
	succeed(t, p.cmd.Start())
	go func() {
		p.cmd.Wait() // its outcome is in ProcessState
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

func newPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	succeed(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// Whoever watches a training may go: it trains to its end, bit for bit as if it were
// watched, and saves. Only that nobody got the results is told, by the exit code.
func TestNobodyWatches(t *testing.T) {
	inFolder(t)
	long := tiny("--epochs", "8")
	must(t, append(long, "--out", "straight")...)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	succeed(t, err)
	defer full.Close()
	for _, tc := range []struct {
		name           string
		stdout, stderr bool // are pipes with a reader that goes
		full           bool // stderr is a full disk
		code           int
	}{
		{"stderr", false, true, false, 0},
		{"full stderr", false, false, true, 0},
		{"stdout", true, false, false, exitUnread},
		{"both", true, true, false, exitUnread},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, w := newPipe(t)
			var stdout, stderr *os.File
			if tc.stdout {
				stdout = w
			}
			if tc.stderr {
				stderr = w
			}
			if tc.full {
				stderr = full
			}
			p := startWith(t, stdout, stderr, append(long, "--out", tc.name)...)
			w.Close()
			if tc.stderr { // as head -1 does
				_, err := r.Read(make([]byte, 1))
				succeed(t, err)
			}
			r.Close()
			if status := p.status(); status.ExitStatus() != tc.code {
				t.Errorf("status %#x, want exit code %d", status, tc.code)
			}
			equalRuns(t, tc.name, "straight")
		})
	}
}

// One who stops reading results in the middle is told by the exit code alone.
func TestResultsThatNobodyReads(t *testing.T) {
	inFolder(t)
	must(t, tiny()...)
	for _, args := range [][]string{{"inspect", best}, {"schema"}, {"evaluate", "--checkpoint", best, "--json"}} {
		r, w := newPipe(t)
		said, stderr := newPipe(t)
		r.Close()
		p := startWith(t, w, stderr, args...)
		stderr.Close()
		text, err := io.ReadAll(said)
		if status := p.status(); status.ExitStatus() != exitUnread || err != nil || len(text) > 0 {
			t.Errorf("%s: status %#x, want exit code %d\n%s%v", args[0], status, exitUnread, text, err)
		}
	}
}

// A terminal that closes sends SIGHUP, often twice: one is as good as Ctrl-C, the
// next ones are nothing, and that nothing can be written any more is none either.
func TestTerminalThatCloses(t *testing.T) {
	inFolder(t)
	long := tiny("--epochs", "60")
	must(t, append(long, "--out", "straight")...)
	r, w := newPipe(t)
	p := startWith(t, nil, w, append(long, "--out", "run")...)
	w.Close()
	_, err := r.Read(make([]byte, 1))
	succeed(t, err)
	r.Close()
	p.await(func() bool { return len(names("run/checkpoints", "last.")) > 0 })
	p.signal(t, syscall.SIGHUP)
	if status := p.status(); status.ExitStatus() != exitInterrupted {
		t.Fatalf("status %#x, want exit code %d", status, exitInterrupted)
	}
	must(t, append(long, "--out", "run", "--resume", "auto")...)
	equalRuns(t, "run", "straight")

	write(t, "slow.yaml", slowSteps)
	p = start(t, nil, "--config", "slow.yaml", "--quiet")
	p.await(func() bool { return len(names("slow/checkpoints", "last.")) > 0 })
	p.signal(t, syscall.SIGHUP)
	p.awaitLine(t, "train: stopping; a second signal stops at once\n")
	p.signal(t, syscall.SIGHUP)
	if status := p.status(); status.ExitStatus() != exitInterrupted {
		t.Fatalf("status %#x, want exit code %d", status, exitInterrupted)
	}
}
