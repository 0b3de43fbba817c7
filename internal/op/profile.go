package op

import (
	"slices"
	"time"
)

// Timing is the time that an op has taken, added up over runs of its graph.
type Timing struct {
	Name, Kind string
	Time       time.Duration
}

// Profile is the time of each op of the graph since the last Profile, the slowest
// first. What the tape machine itself and Gorgonia's own ops take is not in it.
func (g *Graph) Profile() []Timing {
	var timings []Timing
	for _, n := range g.AllNodes() {
		if f, ok := n.Op().(*function); ok {
			kind := f.Kind
			if kind == "" {
				kind = f.Name
			}
			timings = append(timings, Timing{f.Name, kind, f.took})
			f.took = 0
		}
	}
	slices.SortStableFunc(timings, func(a, b Timing) int { return int(b.Time - a.Time) })
	return timings
}
