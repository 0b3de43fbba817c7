package kernel

import (
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/simd"
)

// A convolution with so few output channels that they fill half a vector or less, as the
// head of a net has, computes the results of some neighbouring pixels, a group, as one
// row of a matrix product: a row of Out*group results is as long as a panel, and what it
// is made of are Kernel+group-1 pixels. The weights of a group are those of a pixel,
// once for each pixel, one pixel further each time, with zeros elsewhere:
//
//	b[i, p, c, q*Out+o] = w[i, p-q, c, o] where 0 <= p-q < Kernel, else 0
//
// for p < Kernel+group-1, q < group. With 3x3 weights and four pixels this is half
// of the multiplications with zeros that one pixel at a time would take.

// group is the number of pixels that convolve together: 1 where that gains nothing.
func (e *Engine) group(s ConvShape) int {
	if s.Kernel == 1 || s.Stride > 1 || s.In < 4*s.Out {
		return 1
	}
	g := e.isa.NRNarrow / s.Out
	for g > 1 && s.W%g != 0 {
		g--
	}
	return max(g, 1)
}

// convNarrow computes what convolve does, a group of g pixels at a time.
func (e *Engine) convNarrow(s ConvShape, y, x []Channels, bias []float32, ep epilogue, w weights, g int) {
	a := s.forward()
	if w.transposed != nil {
		a = s.backward()
	}
	in, out := e.join(x, a.n*a.h*a.w), y[0].Values[:s.outPixels()*s.Out]
	n, k := g*s.Out, (s.Kernel+g-1)*s.In
	b := e.packGroup(s, a, w, g)
	biases := e.zeroRow(n)
	if bias != nil {
		biases = memory.Grow(&e.shared.bias, n)
		for q := range g {
			copy(biases[q*s.Out:], bias[:s.Out])
		}
	}
	rows, wide := a.bandRows(), a.wide()
	finish, end := e.rowEpilogue(s, ep, e.pool.StealPieces(a.n*a.rows, rows))
	defer end()
	e.pool.Steal(a.n*a.rows, rows, func(id, piece, lo, hi int) {
		own := &e.workers[id]
		t := &own.args.gemm
		*t = simd.GEMM{CStride: n, AStride: g * s.In, AStep: 1, AJump: wide, KOuter: s.Kernel, K: k}
		e.isa.SetPanel(t, b, s.Kernel*k, n, 0)
		for lo < hi {
			end := min(lo+rows, hi)
			band, top := padFloats(a, own.direct.rows, in, lo, end)
			for r := lo; r < end; r++ {
				row := out[r*a.cols*s.Out:][:a.cols*s.Out]
				t.StartFrom(biases, 0)
				t.A, t.C = band[(a.firstRow(r)-top)*wide:], row
				e.isa.Multiply(t, a.cols/g)
				finish(id, piece, row)
			}
			lo = end
		}
	})
}

// packGroup packs the weights of a group of g pixels into one panel.
func (e *Engine) packGroup(s ConvShape, a taps, w weights, g int) []float32 {
	_, _, nr := e.isa.Panel(g*s.Out, 0)
	across := s.Kernel + g - 1
	b := memory.Grow(&e.shared.weights, s.Kernel*across*s.In*nr)
	clear(b)
	one := memory.Grow(e.workers[0].direct.panel, s.In*nr) // of one tap
	for i, tap := range a.order {
		w.pack(one, tap, 0, s.In, 0, s.Out, nr)
		for q := range g {
			at := (i/s.Kernel*across + i%s.Kernel + q) * s.In
			for c := range s.In {
				copy(b[(at+c)*nr+q*s.Out:][:s.Out], one[c*nr:])
			}
		}
	}
	return b
}

// gradWeightsNarrow computes what ConvGradWeights does, a group of g pixels at a time: the
// gradient of the weights of a group first, as if all of them were free, and of those
// the sums of what is the same weight.
func (e *Engine) gradWeightsNarrow(s ConvShape, dw []float32, channels []Channels, dy []float32, g int) {
	x := e.join(channels, s.inPixels())
	a := s.forward()
	n, across := g*s.Out, s.Kernel+g-1
	wide, row := a.wide(), a.cols*s.Out
	rows := a.rowsIn(bandFloats)
	chunk := max(1, sumPixels/a.cols)
	_, _, nr := e.isa.Panel(n, 0)
	free := memory.Grow(&e.shared.weights, s.Kernel*across*s.In*n) // (Kernel, across, In, n)
	e.sumPartial(free, len(x), a.n*a.rows, 1, func(id int, dw []float32, lo, hi, _, _ int) {
		own := &e.workers[id]
		t := &own.args.gemm
		*t = simd.GEMM{CStride: n, AStride: 1, AStep: g * s.In, AJump: wide, N: n, NR: nr}
		fresh := true
		for lo < hi {
			end := min(lo+rows, hi, (lo/a.rows+1)*a.rows) // a band stays within its image
			band, _ := padFloats(a, own.direct.rows, x, lo, end)
			for r := lo; r < end; r += chunk {
				count := min(chunk, end-r)
				t.KOuter, t.K = count, a.cols/g
				panel := dy[r*row:] // is packed as it stands
				if nr != n {
					panel = memory.Grow(own.direct.panel, count*t.K*nr)
					e.isa.PackPanel(panel, nr, n, count*t.K, dy[r*row:], n, 1)
				}
				for i := range s.Kernel {
					t.B = panel
					t.A = band[(r-lo+i)*wide:]
					t.Accumulate(dw[i*across*s.In*n:], fresh)
					e.isa.Multiply(t, across*s.In)
				}
				fresh = false
			}
			lo = end
		}
	})
	for i := range s.Kernel {
		for j := range s.Kernel {
			for c := range s.In {
				to := dw[((i*s.Kernel+j)*s.In+c)*s.Out:][:s.Out]
				clear(to)
				for q := range g {
					for o, v := range free[((i*across+j+q)*s.In+c)*n+q*s.Out:][:s.Out] {
						to[o] += v
					}
				}
			}
		}
	}
}
