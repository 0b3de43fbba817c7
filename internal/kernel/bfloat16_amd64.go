package kernel

// bfloat16ProductsAMX does p.
//
//go:noescape
func bfloat16ProductsAMX(p *bfloat16Products)

// bfloat16RoundAMX does r, whose cols are a multiple of 16.
//
//go:noescape
func bfloat16RoundAMX(r *rounding)

// bfloat16PairsAMX computes y (k/2, 32, 2) from x (k, 32).
//
//go:noescape
func bfloat16PairsAMX(y []uint16, x []float32)
