package solver

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// State is all that a solver carries from step to step.
type State struct {
	Step int64 // updates done
	// Tensors are the running averages, each as long as its parameter:
	// exp_avg.<parameter> and exp_avg_sq.<parameter> for adam and adamw,
	// momentum_buffer.<parameter> for sgd with momentum.
	Tensors map[string][]float32
}

// State returns the solver's state. The tensors are the solver's own memory:
// save or copy them before the next Step.
func (s *Solver) State() State {
	tensors := make(map[string][]float32, len(s.averages)*len(s.params))
	for _, a := range s.averages {
		for i, p := range s.params {
			tensors[a.name+"."+p.Name] = a.values[i]
		}
	}
	return State{s.step, tensors}
}

// Load copies st into the solver. The error lists every tensor that is
// missing, of another length, or not known to this rule; then nothing has
// changed.
func (s *Solver) Load(st State) error {
	var errs []error
	if st.Step < 0 {
		errs = append(errs, fmt.Errorf("solver: state has step %d, want >= 0", st.Step))
	}
	own := s.State().Tensors
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if got, ok := st.Tensors[name]; !ok {
			errs = append(errs, fmt.Errorf("solver: state has no tensor %s", name))
		} else if len(got) != len(own[name]) {
			errs = append(errs, fmt.Errorf("solver: state tensor %s has %d values, want %d", name, len(got), len(own[name])))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(st.Tensors)) {
		if _, ok := own[name]; !ok {
			errs = append(errs, fmt.Errorf("solver: state tensor %s belongs to no parameter under optimizer.name = %s", name, s.cfg.Name))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	for name, values := range own {
		copy(values, st.Tensors[name])
	}
	s.step = st.Step
	return nil
}
