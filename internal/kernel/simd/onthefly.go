package simd

// Winograd's products with weights that are transformed on the fly, in registers: see
// kernel.Engine for when that pays. A panel of weights is transformed by
//
//	    1  0  0
//	    1  1  1
//	G = 1 -1  1
//	    1  2  4
//	    1 -2  4
//	    0  0  1
//
// without G's fractions, which saves multiplications; Scale makes up for it. The sums of
// a group of four tiles and one of the six rows of frequencies fill the registers, so the
// same weights are gone through six times. They come from the first-level cache, where a
// panel of them is copied to: rows of the whole matrix would share few of its sets.
const (
	OnTheFlyTiles = 4  // of a group
	OnTheFlyK     = 16 // channels of a panel
	OnTheFlyNR    = 16 // columns of a panel: one vector
	OnTheFlyTap   = OnTheFlyK*OnTheFlyNR + Skew
	OnTheFlyPanel = 9 * OnTheFlyTap
	OnTheFlyInput = Frequencies * OnTheFlyTiles // of one channel
	OnTheFlySums  = Frequencies * OnTheFlyTiles * OnTheFlyNR

	// While a panel is at work, weights for later are prefetched, in pieces of 8 cache
	// lines, of which a call has room for so many.
	PrefetchFloats = 128
	PrefetchPieces = 2 * InputTile * OnTheFlyK / 8
)

// OnTheFly is work on a group of four tiles and one panel of weights w, of 16 input
// channels k and 16 output channels n. With u = G w Gᵀ, for all frequencies f:
//
//	Multiply:    Sums[t,f,n] = Scale[f] * (Sums[t,f,n] + sum over k of Input[k,f,t] * u[f,k,n])
//	GradWeights: Panel = Gᵀ du G, du[f,k,n] = sum over t of Input[k,f,t] * Scale[f] * Sums[t,f,n]
//
// The assembly reads this struct by its field names.
type OnTheFly struct {
	Input []float32 // (6, 16, 6, 4): for each row of frequencies, by channel
	Sums  []float32 // (4, 36, 16): of products; or the transformed gradient of the output
	Scale []float32 // (36)
	Panel []float32 // (9, 16, 16), by OnTheFlyTap: weights, or their gradient

	Weights                []float32 // where the panel comes from, or the previous one goes to
	WeightsRow, WeightsTap int       // floats between its rows and between its taps

	Prefetch   []float32 // from where on weights for later are in memory,
	PrefetchAt []int     // and how many bytes after that the pieces to prefetch now
	Plan       []int     // PrefetchAt of one call after the other

	Previous []float32 // the panel before, which GradWeights writes to memory on the way
}

// OnTheFlyKernels are those of an instruction set.
type OnTheFlyKernels struct {
	Multiply    func(*OnTheFly) // adds to Sums, and copies the panel from Weights
	GradWeights func(*OnTheFly) // computes the panel, and copies Previous to Weights
	Transpose   func(*OnTheFly) // fills the panel from Weights, where its columns are rows and its taps in reverse
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
