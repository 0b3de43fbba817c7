//go:build mpi

package world_test

import (
	"os"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
)

func TestMain(m *testing.M) {
	var err error
	if joined, err = world.Join(os.Getenv); err != nil {
		panic(err)
	}
	code := m.Run()
	joined.Close()
	os.Exit(code)
}

var joined world.World

// Started by mpirun with a fixed number of iterations: -test.benchtime 100x.
func BenchmarkSum32(b *testing.B) {
	values := make([]float32, 1_900_000)
	b.SetBytes(int64(4 * len(values)))
	for b.Loop() {
		joined.Sum32(values)
	}
}

func BenchmarkSum64(b *testing.B) {
	values := make([]float64, 65)
	for b.Loop() {
		joined.Sum64(values)
	}
}
