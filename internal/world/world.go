// Package world is the processes of one training run: this one alone, or those that
// mpirun or srun started together, on one machine or several, which train one net.
//
// Each of the processes, a rank from 0 to Size-1, makes the same calls in the same
// order: a call returns when all have made it. So an error of one of them has to become
// an error of all (Agree), or the end of all (Abort).
//
// MPI is spoken by a program that is built with the tag mpi, which needs cgo and the
// headers of Open MPI or MPICH; any other is alone.
package world

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// World is what a process can do together with the others of its run. It is not safe
// for concurrent use. Its methods return no errors: what keeps the processes from
// talking to each other ends them all.
type World interface {
	// Rank is the number of this process, from 0.
	Rank() int
	// Size is the number of processes, >= 1.
	Size() int
	// Sum32 adds up the values of all processes, in place. Each has the same slices of
	// the same lengths, and afterwards the same bits.
	Sum32(values ...[]float32)
	// Sum64 is Sum32 of float64.
	Sum64(values []float64)
	// Broadcast returns what the process root was given. The others' b is not read.
	Broadcast(root int, b []byte) []byte
	// Watch makes a call that waits for another process longer than timeout end this
	// process, and its launcher then the others; 0, and before Watch: it waits for ever.
	Watch(timeout time.Duration)
	// Abort ends all processes, with that exit code. It does not return.
	Abort(code int)
	// Close takes leave of the others: this process calls none of the other methods
	// any more. It waits until all have closed.
	Close()
}

// Alone is the world of a process that trains by itself.
type Alone struct{}

func (Alone) Rank() int                        { return 0 }
func (Alone) Size() int                        { return 1 }
func (Alone) Sum32(...[]float32)               {}
func (Alone) Sum64([]float64)                  {}
func (Alone) Broadcast(_ int, b []byte) []byte { return b }
func (Alone) Watch(time.Duration)              {}
func (Alone) Abort(code int)                   { os.Exit(code) }
func (Alone) Close()                           {}

// Gather returns what each of the processes was given, by rank, to all of them.
func Gather(w World, b []byte) [][]byte {
	all := make([][]byte, w.Size())
	for rank := range all {
		all[rank] = w.Broadcast(rank, b)
	}
	return all
}

// Part is the share of 0..n that is a rank's: from lo on, below hi. All shares together
// are 0..n, in the order of the ranks; their sizes differ by at most one.
func Part(n, rank, size int) (lo, hi int) { return n * rank / size, n * (rank + 1) / size }

// Agreed is an error that all processes of a run have at the same point, so that each of
// them can end by itself.
type Agreed struct{ error }

// Unwrap is the error itself.
func (e Agreed) Unwrap() error { return e.error }

// All marks an error that all processes are known to have here; nil stays nil.
func All(err error) error {
	if err == nil {
		return nil
	}
	return Agreed{err}
}

// Host is the name of this machine.
func Host() string {
	host, err := os.Hostname()
	if err != nil {
		return "a host without a name"
	}
	return host
}

// Agree makes an error of some processes one of all: each is given its own error, or nil,
// and all return nil or an Agreed, which tells who failed and why. Where one failed
// because its context was canceled, and none for another reason, it is context.Canceled
// for all.
func Agree(w World, err error) error {
	if w.Size() == 1 {
		return err
	}
	const canceled, failed = 0, 1
	counts := make([]float64, 2)
	switch {
	case errors.Is(err, context.Canceled):
		counts[canceled]++
	case err != nil:
		counts[failed]++
	}
	w.Sum64(counts)
	switch {
	case counts[failed] > 0:
		return Agreed{together(w, err)}
	case counts[canceled] > 0 && err == nil:
		return Agreed{context.Canceled}
	case counts[canceled] > 0:
		return Agreed{err}
	}
	return nil
}

// together makes one error of those of all processes, of which one failed.
func together(w World, err error) error {
	text := ""
	if errors.Is(err, context.Canceled) {
		err = nil // that others failed weighs more
	} else if err != nil {
		text = err.Error()
	}
	texts := Gather(w, []byte(text))
	hosts := Gather(w, []byte(Host()))
	same := func(b []byte) bool { return string(b) == text }
	if text != "" && !slices.ContainsFunc(texts, func(b []byte) bool { return !same(b) }) {
		return err // all failed alike, as by a mistake in the configuration
	}
	var lines []string
	for rank, text := range texts {
		if len(text) == 0 {
			continue
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			lines = append(lines, fmt.Sprintf("rank %d on %s: %s", rank, hosts[rank], line))
		}
	}
	return told{strings.Join(lines, "\n"), err}
}

// told is an error of some processes, with what it is in this one; nil: it has none.
type told struct {
	text string
	own  error
}

func (e told) Error() string { return e.text }
func (e told) Unwrap() error { return e.own }

// Same returns an error, which all processes have, unless all were given what rank 0
// was; it names those that were not. what says in a word or two what b is.
func Same(w World, what string, b []byte) error {
	if w.Size() == 1 {
		return nil
	}
	const short = 32 // that can be shown
	digest := sha256.Sum256(b)
	all, hosts, first := Gather(w, digest[:]), Gather(w, []byte(Host())), w.Broadcast(0, b[:min(len(b), short+1)])
	var others []string
	for rank, d := range all {
		if string(d) != string(all[0]) {
			others = append(others, fmt.Sprintf("rank %d on %s", rank, hosts[rank]))
		}
	}
	if others == nil {
		return nil
	}
	whose := fmt.Sprintf("rank 0 on %s", hosts[0])
	if len(first) > 0 && len(first) <= short {
		whose += fmt.Sprintf(", %q", first)
	}
	return Agreed{fmt.Errorf("%s: another %s than that of %s", strings.Join(others, ", "), what, whose)}
}
