//go:build !mpi

package world

import "fmt"

// Join returns the world that this process is a part of, by its environment. A program
// without MPI is always alone: it is an error if it was started as one of several, for
// each of them would train the same.
func Join(getenv func(string) string) (World, error) {
	if l, ok := launched(getenv); ok && l.size > 1 {
		return nil, fmt.Errorf("started as one of %d processes (%s = %d), but built without MPI: build the program with go build -tags mpi, or start it without %s", l.size, l.variable, l.size, l.launcher)
	}
	return Alone{}, nil
}
