package simd

// A convolution of few tiles with many channels costs little beside the reading
// of its weights, and transformed weights are four times as large as these. So
// they are not kept: transformed weights are made in registers, multiplied by
// four tiles, a quad, and forgotten.
//
// G is used without its fractions,
//
//	1  0  0
//	1  1  1
//	1 -1  1
//	1  2  4
//	1 -2  4
//	0  0  1
//
// which saves multiplications; quadScales make up for it. Sums of four tiles and
// one of the six rows of frequencies fill the registers, so the same weights are
// gone through six times. They come from the first cache, where a panel of them
// is copied to: rows of the whole matrix would share few of its sets.
const (
	OnTheFlyTiles = 4
	OnTheFlyK     = 16 // of a panel
	OnTheFlyNR    = 16 // columns of a panel: one vector
	OnTheFlyTap   = OnTheFlyK*OnTheFlyNR + Skew
	OnTheFlyPanel = 9 * OnTheFlyTap
	OnTheFlyInput = Frequencies * OnTheFlyTiles // of one channel
	OnTheFlySums  = Frequencies * OnTheFlyTiles * OnTheFlyNR

	// While a panel is at work, weights for later are fetched from memory, in
	// pieces of 8 cache lines, of which the loops have room for so many.
	PrefetchFloats = 128
	PrefetchPieces = 2 * InputTile * OnTheFlyK / 8
)

// OnTheFly is work on four tiles and one panel of weights. The assembly reads this
// struct by its field names.
type OnTheFly struct {
	Input []float32 // (6, 16, 6, 4): of the rows' channels, one row of frequencies after the other
	Sums  []float32 // (4, 36, 16): of products; or the transformed gradients of results
	Scale []float32 // (36): what sums are multiplied by after that, or gradients before
	Panel []float32 // (9, 16, 16), by quadTap: weights, or their gradient

	Weights                []float32 // where the panel comes from or another one goes to
	WeightsRow, WeightsTap int       // floats between its rows and between its taps

	Prefetch   []float32 // from where on weights for later are in memory,
	PrefetchAt []int     // and how many bytes after that the pieces to fetch now
	Plan       []int     // fetch of one call after the other

	Previous []float32 // the panel before, which gradWeights writes to memory on the way
}

// OnTheFlyKernels are the loops of an instruction set.
type OnTheFlyKernels struct {
	Multiply    func(*OnTheFly) // add to sums, and copy the panel from memory
	GradWeights func(*OnTheFly) // compute the panel from sums, and copy last to memory
	Transpose   func(*OnTheFly) // fill the panel from memory, where its columns are rows and its taps in reverse
}

// PlainOnTheFly is the generic instruction set with plain forms of OnTheFlyKernels: what
// tests run the assembly's callers with where there is no AVX-512. No other instruction
// set has enough registers for this to be faster.
func PlainOnTheFly() *InstructionSet {
	set := *generic
	set.OnTheFly = &OnTheFlyKernels{onTheFlyMultiplyPlain, onTheFlyGradWeightsPlain, onTheFlyTransposePlain}
	return &set
}

// onTheFlyG is G without its fractions.
var onTheFlyG = [InputTile][3]float32{{1, 0, 0}, {1, 1, 1}, {1, -1, 1}, {1, 2, 4}, {1, -2, 4}, {0, 0, 1}}

func onTheFlyMultiplyPlain(q *OnTheFly) {
	for tap := range 9 {
		for k := range OnTheFlyK {
			copy(q.Panel[tap*OnTheFlyTap+k*OnTheFlyNR:][:OnTheFlyNR], q.Weights[tap*q.WeightsTap+k*q.WeightsRow:])
		}
	}
	for i := range InputTile {
		for f := range InputTile {
			for n := range OnTheFlyNR {
				var u [OnTheFlyK]float32 // transformed weights
				for k := range u {
					for tap := range 9 {
						u[k] += onTheFlyG[i][tap/3] * onTheFlyG[f][tap%3] * q.Panel[tap*OnTheFlyTap+k*OnTheFlyNR+n]
					}
				}
				for tile := range OnTheFlyTiles {
					sum := &q.Sums[(tile*Frequencies+i*InputTile+f)*OnTheFlyNR+n]
					for k, u := range u {
						*sum += q.Input[((i*OnTheFlyK+k)*InputTile+f)*OnTheFlyTiles+tile] * u
					}
					*sum *= q.Scale[i*InputTile+f]
				}
			}
		}
	}
}

func onTheFlyGradWeightsPlain(q *OnTheFly) {
	for tap := range 9 {
		for k := range OnTheFlyK {
			for n := range OnTheFlyNR {
				sum := float32(0)
				for i := range InputTile {
					for f := range InputTile {
						g := onTheFlyG[i][tap/3] * onTheFlyG[f][tap%3] * q.Scale[i*InputTile+f]
						for tile := range OnTheFlyTiles {
							sum += g * q.Input[((i*OnTheFlyK+k)*InputTile+f)*OnTheFlyTiles+tile] * q.Sums[(tile*Frequencies+i*InputTile+f)*OnTheFlyNR+n]
						}
					}
				}
				q.Panel[tap*OnTheFlyTap+k*OnTheFlyNR+n] = sum
			}
			copy(q.Weights[tap*q.WeightsTap+k*q.WeightsRow:][:OnTheFlyNR], q.Previous[tap*OnTheFlyTap+k*OnTheFlyNR:])
		}
	}
}

func onTheFlyTransposePlain(q *OnTheFly) {
	for tap := range 9 {
		for k := range OnTheFlyK {
			for n := range OnTheFlyNR {
				q.Panel[(8-tap)*OnTheFlyTap+k*OnTheFlyNR+n] = q.Weights[tap*q.WeightsTap+n*q.WeightsRow+k]
			}
		}
	}
}
