package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Sums do not depend on which thread has done a piece, to the last bit.
func TestMomentsAreTheSameEachTime(t *testing.T) {
	e, err := NewEngine(3, "auto")
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 0))
	s := ConvShape{N: 4, H: 64, W: 64, In: 16, Out: 16, Kernel: 3, Stride: 1, Pad: 1}
	if pieces := e.pool.StealPieces(s.tiles(), tileBlock); pieces <= e.pool.Threads() {
		t.Fatalf("%d pieces for %d threads: nothing to take from another", pieces, e.pool.Threads())
	}
	x, w := make([]float32, s.N*s.H*s.W*s.In), make([]float32, 9*s.In*s.Out)
	for _, v := range [][]float32{x, w} {
		for i := range v {
			v[i] = float32(math.Exp(8 * rng.NormFloat64()))
		}
	}
	y := make([]float32, s.N*s.H*s.W*s.Out)
	var first, again, counted Moments
	e.ConvMoments(s, y, []Channels{{x, s.In}}, w, &first)
	for range 30 {
		e.ConvMoments(s, y, []Channels{{x, s.In}}, w, &again)
		if !slices.Equal(first.sum, again.sum) || !slices.Equal(first.square, again.square) {
			t.Fatal("the moments of a convolution differ from run to run")
		}
	}
	depthwise := DepthwiseShape{N: s.N, H: s.H, W: s.W, C: s.In, Kernel: 3, Stride: 1, Pad: 1}
	e.DepthwiseMoments(depthwise, y, x, w, &first)
	for range 30 {
		e.DepthwiseMoments(depthwise, y, x, w, &again)
		if !slices.Equal(first.sum, again.sum) || !slices.Equal(first.square, again.square) {
			t.Fatal("the moments of a depthwise convolution differ from run to run")
		}
	}
	e.findMoments(&counted, y, s.Out)
	for range 30 {
		e.findMoments(&again, y, s.Out)
		if !slices.Equal(counted.sum, again.sum) || !slices.Equal(counted.square, again.square) {
			t.Fatal("the moments of a matrix differ from run to run")
		}
	}
}
