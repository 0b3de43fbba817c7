package op_test

import (
	"math"
	"testing"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/op"
)

func TestFirstNonFinite(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		name    string
		x, bias float32
		want    string
	}{
		{"all finite", 1, 0, ""},
		{"overflow in an op", math.MaxFloat32, 0, "second"},
		{"bad image", inf, 0, "x"},
		{"bad parameter", 1, inf, "bias"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGraph(t)
			x := g.Input("x", []float32{c.x}, 1, 1, 1, 1)
			w := g.Input("w", []float32{2}, 1, 1, 1, 1)
			bias := g.Input("bias", []float32{c.bias}, 1)
			half := g.Apply(op.Func{Name: "first", Shape: []int{1, 1, 1, 1}, Run: func(out []float32, in [][]float32) {
				out[0] = in[0][0] / 1.5
			}}, x)
			y := g.ReLU("third", same(g, "second", []*G.Node{half}, w, bias))
			m := compile(t, g, y)
			got, err := g.FirstNonFinite(m)
			if err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}
