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
