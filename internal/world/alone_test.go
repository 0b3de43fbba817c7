//go:build !mpi

package world_test

import (
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
)

// Whoever is started by no launcher, or as the only process, is alone.
func TestJoin(t *testing.T) {
	for environ, want := range map[string]string{
		"":                       "",
		"OMPI_COMM_WORLD_SIZE=1": "",
		"PMI_SIZE=x":             "",
		"OMPI_COMM_WORLD_SIZE=4": "started as one of 4 processes (OMPI_COMM_WORLD_SIZE = 4), but built without MPI",
		"PMI_SIZE=2":             "started as one of 2 processes (PMI_SIZE = 2)",
		"SLURM_STEP_NUM_TASKS=3": "or start it without srun",
	} {
		w, err := world.Join(func(name string) string {
			if variable, value, _ := strings.Cut(environ, "="); variable == name {
				return value
			}
			return ""
		})
		switch {
		case want == "" && (err != nil || w.Size() != 1 || w.Rank() != 0):
			t.Errorf("%q: %v, %v", environ, w, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: error %v, want %q", environ, err, want)
		}
	}
}
