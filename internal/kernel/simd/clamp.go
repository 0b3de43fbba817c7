package simd

// Clamp is the range of results: smaller ones become Floor, larger ones Ceil.
type Clamp struct{ Floor, Ceil float32 }

func (c Clamp) clamp(v float32) float32 { return min(max(v, c.Floor), c.Ceil) }
