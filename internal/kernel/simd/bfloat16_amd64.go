package simd

// gemmBFloat16AMX does p.
//
//go:noescape
func gemmBFloat16AMX(p *GEMMBFloat16)

// convertBFloat16AMX does r, whose Cols are a multiple of 16.
//
//go:noescape
func convertBFloat16AMX(r *Conversion)

// gradWeightsBFloat16AMX does sums.
//
//go:noescape
func gradWeightsBFloat16AMX(sums *GradWeightsBFloat16)

// packBFloat16AMX computes y (k/2, 32, 2) from x (k, stride).
//
//go:noescape
func packBFloat16AMX(y []uint16, x []float32, stride int)
