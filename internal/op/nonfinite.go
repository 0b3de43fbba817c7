package op

import "math"

// FirstNonFinite runs the graph of m once more on the same inputs and names the
// first op that computes a NaN or an infinity, or the input that it got one
// from; "" if there is none. It is slow: for a run that has gone wrong.
func (g *Graph) FirstNonFinite(m *Machine) (string, error) {
	g.watched, g.nonFinite = true, ""
	defer func() { g.watched = false }()
	err := m.Run()
	return g.nonFinite, err
}

// watch looks at what f has just computed.
func (g *Graph) watch(f *function) {
	if g.nonFinite != "" || finite(f.out) {
		return
	}
	g.nonFinite = f.Name
	for i, n := range f.inputs {
		if n.IsVar() && !finite(f.in[i]) {
			g.nonFinite = n.Name()
		}
	}
}

func finite(values []float32) bool {
	for _, v := range values {
		if d := float64(v); math.IsNaN(d) || math.IsInf(d, 0) {
			return false
		}
	}
	return true
}
