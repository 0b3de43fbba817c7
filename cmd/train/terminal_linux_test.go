package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// onPTY starts the program on a terminal of its own, so many columns wide. What is
// written to keyboard is typed there.
func onPTY(t *testing.T, columns uint16, environ []string, args ...string) (p *process, keyboard *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	fd := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: columns}); err != nil {
		t.Fatal(err)
	}
	screen := openScreen(t, keyboard)
	defer screen.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p = &process{cmd: exec.Command(self, args...), ended: make(chan struct{})}
	p.cmd.Args[0] = "train"
	p.cmd.Env = append(append(os.Environ(), asProgram+"=1", "TERM=xterm", "NO_COLOR="), environ...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = screen, screen, screen
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		io.Copy(&p.stderr, keyboard) // until nobody has the terminal open: EIO
		p.cmd.Wait()                 // its outcome is in ProcessState
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p, keyboard
}

// openScreen opens the other side of a terminal, where programs read and write.
func openScreen(t *testing.T, keyboard *os.File) *os.File {
	t.Helper()
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return screen
}

// What a person sees, on a terminal that takes colours and on others.
func TestOnTerminal(t *testing.T) {
	const bar, colour = "\r\x1b[K", "\x1b[1m"
	for _, tc := range []struct {
		name        string
		environ     []string
		flags       []string
		bar, colour bool
	}{
		{"colours", nil, nil, true, true},
		{"NO_COLOR", []string{"NO_COLOR=1"}, nil, true, false},
		{"TERM=dumb", []string{"TERM=dumb"}, nil, false, false},
		{"quiet", nil, []string{"--quiet"}, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inFolder(t)
			p, _ := onPTY(t, 80, tc.environ, tiny(tc.flags...)...)
			if code := p.status().ExitStatus(); code != 0 {
				t.Fatalf("exit code %d\n%s", code, p.stderr.String())
			}
			said := p.stderr.String()
			if strings.Contains(said, bar) != tc.bar || strings.Contains(said, colour) != tc.colour || strings.Contains(said, "\x1b[36m") != tc.colour {
				t.Errorf("want a bar %v, colours %v:\n%q", tc.bar, tc.colour, said)
			}
			if !strings.Contains(said, "triangle") {
				t.Errorf("the results are not there:\n%s", said)
			}
		})
	}
}

// Ctrl-Z takes the bar away too: the shell writes in an empty line.
func TestCtrlZLeavesACleanTerminal(t *testing.T) {
	inFolder(t)
	p, keyboard := onPTY(t, 80, []string{"NO_COLOR=1"}, tiny("--epochs", "1000000")...)
	p.awaitLine(t, "epoch 2/1000000")
	if err := p.cmd.Process.Signal(syscall.SIGTSTP); err != nil { // no key: a terminal does not stop whom no shell could wake
		t.Fatal(err)
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil); err != nil || !status.Stopped() {
		t.Fatalf("status %#x, %v: want it stopped\n%q", status, err, p.stderr.String())
	}
	shell := openScreen(t, keyboard)
	if _, err := shell.WriteString("shell$ "); err != nil {
		t.Fatal(err)
	}
	shell.Close()
	p.awaitLine(t, "shell$ ")
	before, _, _ := strings.Cut(p.stderr.String(), "shell$ ")
	if !strings.HasSuffix(before, "\r\x1b[K") && !strings.HasSuffix(before, "\n") {
		t.Errorf("the shell writes after %q", before[strings.LastIndex(before, "\n")+1:])
	}
}

// Ctrl-C takes the bar away, whatever the terminal shows of the key.
func TestCtrlCLeavesACleanTerminal(t *testing.T) {
	inFolder(t)
	p, keyboard := onPTY(t, 80, []string{"NO_COLOR=1"}, tiny("--epochs", "1000000")...)
	p.awaitLine(t, "epoch 2/1000000")
	if _, err := keyboard.Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	if code := p.status().ExitStatus(); code != exitInterrupted {
		t.Fatalf("exit code %d, want %d\n%q", code, exitInterrupted, p.stderr.String())
	}
	said := p.stderr.String()
	if !strings.Contains(said, "^C") {
		t.Fatalf("the terminal did not show the key:\n%q", said)
	}
	var shown strings.Builder // in the end
	for line := range strings.Lines(said) {
		frames := strings.Split(line, "\r\x1b[K")
		shown.WriteString(frames[len(frames)-1])
	}
	const stopping = "\r\ntrain: stopping; a second signal stops at once\r\n" // and perhaps the end of the epoch
	const saved = "\r\ntrain: interrupted: saved to run/checkpoints, --resume auto goes on from there\r\n"
	if got := shown.String(); !strings.Contains(got, stopping) || !strings.HasSuffix(got, saved) || strings.Contains(got, "▏") {
		t.Errorf("the terminal shows\n%q\nwant it to hold the line %q and end with %q", got, stopping, saved)
	}
}
