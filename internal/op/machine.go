package op

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel/memory"
)

// Arena is where what outlasts a run is: parameters and their gradients.
type Arena = memory.Arena

// Memory is where the outputs of ops live: blocks that are used again once
// every reader of what they held has run.
type Memory struct {
	arena  memory.Arena
	blocks [][]float32
}

// Bytes is the size of all of it.
func (m *Memory) Bytes() int64 {
	n := int64(0)
	for _, b := range m.blocks {
		n += 4 * int64(len(b))
	}
	return n
}

// Machine runs a compiled Graph.
type Machine struct {
	vm  G.VM
	ops []string
}

// Ops are the names of what is computed, in the order in which a run does it.
func (m *Machine) Ops() []string { return m.ops }

// Compile plans the memory of the graph's ops and makes it ready to run. The
// values of the kept nodes outlast a run; those of all others may not.
func (g *Graph) Compile(keep ...*G.Node) (m *Machine, err error) {
	if g.err != nil {
		return nil, g.err
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("op: compile: %v", r)
		}
	}()
	if err := g.checkDistinct(); err != nil {
		return nil, err
	}
	order, err := g.order()
	if err != nil {
		return nil, err
	}
	g.planMemory(order, keep)
	m = &Machine{}
	for _, n := range order {
		if f, ours := n.Op().(*function); ours {
			m.ops = append(m.ops, f.Name)
		}
	}
	m.vm = G.NewTapeMachine(g.Subgraph(order...)) // which puts order into another order
	return m, nil
}

// order gives the nodes in the order in which the tape machine will run them: all but
// replaced sums that nobody reads.
func (g *Graph) order() (G.Nodes, error) {
	sorted, err := G.Sort(g.ExprGraph) // readers first
	if err != nil {
		return nil, fmt.Errorf("op: sort the graph: %w", err)
	}
	dead := map[*G.Node]bool{}
	order := make(G.Nodes, 0, len(sorted))
	for _, n := range sorted {
		read := slices.ContainsFunc(g.readers(n), func(reader *G.Node) bool { return !dead[reader] })
		if dead[n] = g.replaced[n] && !read; !dead[n] {
			order = append(order, n)
		}
	}
	slices.Reverse(order)
	return order, nil
}

// readers are the nodes that are computed from n.
func (g *Graph) readers(n *G.Node) (readers []*G.Node) {
	nodes := g.To(n.ID())
	for nodes.Next() {
		readers = append(readers, nodes.Node().(*G.Node))
	}
	return readers
}

// Run computes all nodes once. It is not safe for concurrent use.
func (m *Machine) Run() error {
	defer m.vm.Reset()
	if err := m.vm.RunAll(); err != nil {
		return fmt.Errorf("op: run: %w", err)
	}
	return nil
}

// checkDistinct makes sure that no two nodes have equal hashes, by which Gorgonia would mistake them for one.
func (g *Graph) checkDistinct() error {
	seen := map[uint32]*G.Node{}
	for _, n := range g.AllNodes() {
		if other, ok := seen[n.Hashcode()]; ok {
			return fmt.Errorf("op: nodes %v and %v have the same hash", n, other)
		}
		seen[n.Hashcode()] = n
	}
	return nil
}

// planMemory gives the output of each op, in the order in which they run, the memory
// of an input that the op may overwrite and nobody reads later, or else a block, which
// it takes back after the last reader.
func (g *Graph) planMemory(order G.Nodes, keep []*G.Node) {
	// ends[i] is the position of the last op that reads what node i computed.
	position := make(map[*G.Node]int, len(order))
	for i, n := range order {
		position[n] = i
	}
	ends := make([]int, len(order))
	for i := len(order) - 1; i >= 0; i-- {
		n := order[i]
		end := i
		if slices.Contains(keep, n) {
			end = math.MaxInt
		}
		for _, reader := range g.readers(n) {
			r, runs := position[reader]
			if !runs {
				continue
			}
			end = max(end, r)
			// Gorgonia's own elementwise ops may write their result over an input,
			// and a view is its input.
			if f, ours := reader.Op().(*function); !ours || f.viewed != nil {
				end = max(end, ends[r])
			}
		}
		ends[i] = end
	}

	type lease struct{ block, end int }
	var taken []*lease
	leases := map[*G.Node]*lease{}
	free := make([]int, len(g.memory.blocks))
	for i := range free {
		free[i] = i
	}
	for i, n := range order {
		f, ok := n.Op().(*function)
		if !ok || f.placed {
			continue
		}
		if v := f.viewed; v != nil {
			f.setMemory(v.node.Op().(*function).out[v.from:][:f.size()])
			continue
		}
		taken = slices.DeleteFunc(taken, func(l *lease) bool {
			if l.end < i {
				free = append(free, l.block)
				return true
			}
			return false
		})
		// What is in the caches already need not be fetched to be overwritten.
		over := slices.IndexFunc(f.Overwrites, func(k int) bool {
			l := leases[holder(f.inputs[k])]
			return l != nil && l.end == i
		})
		if over >= 0 {
			input := f.inputs[f.Overwrites[over]]
			leases[n] = leases[holder(input)]
			leases[n].end = ends[i]
			f.setMemory(input.Op().(*function).out)
			continue
		}
		l := &lease{end: ends[i]}
		l.block, free = g.memory.take(free, f.size())
		taken = append(taken, l)
		leases[n] = l
		f.setMemory(g.memory.blocks[l.block][:f.size()])
	}
}

// holder is the node in whose memory the values of n are: n, or what it is a view of.
func holder(n *G.Node) *G.Node {
	for {
		f, ok := n.Op().(*function)
		if !ok || f.viewed == nil {
			return n
		}
		n = f.viewed.node
	}
}

// take picks the smallest free block of at least size values, of equal ones the last
// that was given back, which may still be in the caches; or makes a new one.
func (m *Memory) take(free []int, size int) (block int, rest []int) {
	best := -1
	for i, b := range free {
		if n := len(m.blocks[b]); n >= size && (best < 0 || n <= len(m.blocks[free[best]])) {
			best = i
		}
	}
	if best < 0 {
		block := m.arena.Floats(size)
		m.blocks = append(m.blocks, block)
		return len(m.blocks) - 1, free
	}
	block = free[best]
	return block, slices.Delete(free, best, best+1)
}
