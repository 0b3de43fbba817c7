package world

import (
	"fmt"
	"strconv"
)

// launch is how this process was started together with others.
type launch struct {
	launcher string
	variable string // that tells the number of processes, "" if none does
	size     int    // 0: not told
}

// launched tells by the environment whether a launcher of MPI started this process.
func launched(getenv func(string) string) (l launch, ok bool) {
	for _, l := range []launch{
		{launcher: "mpirun", variable: "OMPI_COMM_WORLD_SIZE"}, // Open MPI
		{launcher: "mpirun", variable: "PMI_SIZE"},             // MPICH, Intel MPI, srun --mpi=pmi2
		{launcher: "srun", variable: "SLURM_STEP_NUM_TASKS"},
	} {
		if n, err := strconv.Atoi(getenv(l.variable)); err == nil && n > 0 {
			l.size = n
			return l, true
		}
	}
	if getenv("PMIX_RANK") != "" {
		return launch{launcher: "its launcher"}, true
	}
	return launch{}, false
}

// RefuseOthers returns an error where this process was started as one of several, each of
// which would do the same. what is the command.
func RefuseOthers(getenv func(string) string, what string) error {
	if l, ok := launched(getenv); ok && l.size > 1 {
		return fmt.Errorf("%s was started as one of %d processes (%s = %d), but only training is shared by several: start it without %s", what, l.size, l.variable, l.size, l.launcher)
	}
	return nil
}
