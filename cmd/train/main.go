// Command train trains a UNet for semantic segmentation, and measures, uses and
// exports what it has learnt; see its --help.
//
// Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 doctor found a fault, 130 interrupted
// (training saves a checkpoint first), 141 nobody reads the results (training is
// done and saved).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
	"github.com/unet-gorgonia/unet-gorgonia/internal/train"
	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // writes fail instead: a run does not end with the one who watches it
	p := &program{name: filepath.Base(os.Args[0]), alarm: report.Printable(unwatched{os.Stderr}), environ: os.Environ()}
	stderr := unwatched{voice{os.Stderr, &p.silent}}
	p.stdout, p.stderr = voice{os.Stdout, &p.silent}, stderr
	if fd := int(os.Stderr.Fd()); term.IsTerminal(fd) && os.Getenv("TERM") != "dumb" {
		p.terminal = report.NewTerminal(stderr, func() int {
			width, _, err := term.GetSize(fd)
			if err != nil || width < 1 {
				return 80
			}
			return width
		})
		p.stderr, p.ink = p.terminal, os.Getenv("NO_COLOR") == ""
	}
	p.stdout, p.stderr = report.Printable(p.stdout), report.Printable(p.stderr)
	if os.Getenv("GOGC") == "" {
		// Most memory is in a few large arrays that live as long as the run and hold no
		// pointers: collecting garbage often costs little, and saves a third of the memory.
		debug.SetGCPercent(20)
	}
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		<-signals
		// Not SIGHUP: a terminal that closes sends several.
		signal.Reset(os.Interrupt, syscall.SIGTERM)
		if p.terminal != nil {
			p.terminal.Close() // a second signal would leave the bar
		}
		fmt.Fprintf(p.stderr, "%s: stopping; a second signal stops at once\n", p.name)
		stop()
	}()
	p.clock.watch(func(stop func()) {
		if p.terminal == nil {
			stop()
		} else {
			p.terminal.Away(stop)
		}
	})
	os.Exit(execute(ctx, os.Args[1:], p))
}

// unwatched is stderr: that nobody reads it any more, or its disk is full, ends
// nothing, and there is nobody to tell.
type unwatched struct{ io.Writer }

func (u unwatched) Write(b []byte) (int, error) {
	u.Writer.Write(b)
	return len(b), nil
}

// voice writes unless it is silent: of several processes that train one net, the first
// alone speaks.
type voice struct {
	io.Writer
	silent *atomic.Bool
}

func (v voice) Write(b []byte) (int, error) {
	if v.silent.Load() {
		return len(b), nil
	}
	return v.Writer.Write(b)
}

// program is what a command sees of its surroundings.
type program struct {
	name     string           // by which it was started
	stdout   io.Writer        // results
	stderr   io.Writer        // progress and errors
	terminal *report.Terminal // stderr, where it is a terminal; else nil
	ink      report.Ink       // of stderr
	environ  []string
	clock    clock

	// Of training, which several processes may do together.
	world    world.World // nil: this is no training
	silent   atomic.Bool // of stdout and stderr
	alarm    io.Writer   // stderr, also where it is silent
	stranded bool        // this process has an error that the others do not know of
}

// getenv is the value of an environment variable, empty if it is not set.
func (p *program) getenv(name string) string {
	for _, v := range slices.Backward(p.environ) {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnhealthy   = 3   // doctor found a fault
	exitInterrupted = 130 // as shells report a program that SIGINT ended
	exitUnread      = 141 // as shells report one that SIGPIPE ended
)

// maxLines bounds the problems that are shown at once.
const maxLines = 25

// execute runs a command line and returns its exit code; errors are written to stderr, one per line.
func execute(ctx context.Context, args []string, p *program) (code int) {
	err := p.run(ctx, args)
	code = exitCode(err)
	if err != nil && p.stranded && p.together() {
		p.tell(p.alarm, fmt.Sprintf("rank %d on %s: ", p.world.Rank(), world.Host()), err)
		p.world.Abort(code)
	}
	if code != exitUnhealthy && code != exitUnread { // stdout tells, or nobody listens
		p.tell(p.stderr, "", err)
	}
	return p.leave(code)
}

// run runs a command line. A panic becomes its error.
func (p *program) run(ctx context.Context, args []string) (err error) {
	defer func() {
		if p.terminal != nil {
			p.terminal.SetStatus("")
		}
		if r := recover(); r != nil {
			err, p.stranded = fmt.Errorf("internal error: %v", r), true
		}
	}()
	cmd := p.root()
	cmd.SetArgs(args)
	cmd.SetOut(p.stdout)
	cmd.SetErr(p.stderr)
	return cmd.ExecuteContext(ctx)
}

// tell writes an error, which may be nil, one line for each problem.
func (p *program) tell(w io.Writer, where string, err error) {
	if err == nil {
		return
	}
	lines := strings.Split(err.Error(), "\n") // several problems are several lines
	for _, line := range lines[:min(len(lines), maxLines)] {
		fmt.Fprintf(w, "%s %s%s\n", p.ink.Error(p.name+":"), where, line)
	}
	if more := len(lines) - maxLines; more > 0 {
		fmt.Fprintf(w, "%s and %d more\n", p.ink.Error(p.name+":"), more)
	}
}

// exitCode is the exit code of a command that ended with err, which may be nil.
func exitCode(err error) int {
	var usage run.UsageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUnhealthy):
		return exitUnhealthy
	case errors.Is(err, syscall.EPIPE): // of stdout: no other file of ours is a pipe
		return exitUnread
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, train.ErrInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitFailed
}

// join finds the processes that train together with this one. The first one alone speaks.
func (p *program) join() error {
	w, err := world.Join(p.getenv)
	if err != nil {
		return usage(err)
	}
	p.world = w
	p.silent.Store(w.Rank() > 0)
	return nil
}

func (p *program) together() bool { return p.world != nil && p.world.Size() > 1 }

// leave takes leave of the processes that train together with this one. All end with
// one exit code, for their launcher gives that of any of them: the largest, because a
// mistake in the configuration may be found by one and only heard of by the others.
func (p *program) leave(code int) int {
	if p.together() {
		for _, b := range world.Gather(p.world, []byte{byte(code)}) {
			code = max(code, int(b[0]))
		}
		p.world.Close()
	}
	return code
}

// usage marks err as a mistake in the command line or the configuration.
func usage(err error) error { return run.Usage(err) }

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

// named puts the name by which the program was started in place of PROGRAM.
func (p *program) named(text string) string { return strings.ReplaceAll(text, "PROGRAM", p.name) }

// noArguments refuses arguments that are not flags.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasSubCommands() {
		return usagef("%s: unknown argument %q", cmd.CommandPath(), args[0])
	}
	cmd.SuggestionsMinimumDistance = 2
	hint := "; see --help"
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf(", did you mean %s?", near[0])
	}
	return usagef("unknown command %q%s", args[0], hint)
}

// required reports the flags that must be given and are not, those given as "", as by
// a variable that is not set, and paths from ~ on, which the shell replaces only where
// a word begins with it.
func required(cmd *cobra.Command, names ...string) error {
	var errs []error
	missing := func(f *pflag.Flag) {
		what, about := pflag.UnquoteUsage(f)
		errs = append(errs, fmt.Errorf("--%s %s is missing: %s", f.Name, what, about))
	}
	for _, name := range names {
		if f := cmd.Flag(name); slices.Contains([]string{"", "[]"}, f.Value.String()) {
			missing(f)
		}
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		var values []string
		switch v := f.Value.(type) {
		case pflag.SliceValue:
			values = v.GetSlice()
		default:
			if v.Type() == "string" && (v.String() != "" || !slices.Contains(names, f.Name)) {
				values = []string{v.String()}
			}
		}
		for _, value := range values {
			switch {
			case value == "":
				missing(f)
			case cmd.HasParent() && strings.HasPrefix(value, "~/"): // in training, the configuration tells
				errs = append(errs, fmt.Errorf("--%s %s: want a path without ~, which stands for the home folder only where a shell has replaced it; ./%[2]s for a folder of that name", f.Name, value))
			}
		}
	})
	return usage(errors.Join(errs...))
}
