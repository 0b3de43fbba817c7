package world

import "strconv"

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
