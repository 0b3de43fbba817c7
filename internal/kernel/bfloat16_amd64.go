package kernel

// bfloat16ProductsAMX does p.
//
//go:noescape
func bfloat16ProductsAMX(p *bfloat16Products)

// bfloat16RoundAMX does r, whose cols are a multiple of 16.
//
//go:noescape
func bfloat16RoundAMX(r *rounding)

// bfloat16GradWeightsAMX does sums.
//
//go:noescape
func bfloat16GradWeightsAMX(sums *bfloat16GradWeights)

// bfloat16PairsAMX computes y (k/2, 32, 2) from x (k, stride).
//
//go:noescape
func bfloat16PairsAMX(y []uint16, x []float32, stride int)
