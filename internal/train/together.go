package train

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
	"github.com/unet-gorgonia/unet-gorgonia/internal/world"
)

// together reports whether several processes train the net.
func (r *run) together() bool { return r.World.Size() > 1 }

// silent is the recorder of all processes but the first.
type silent struct{}

func (silent) Record(event.Event) error { return nil }

// agree makes an error of this process one of all, or the other way round, as
// world.Agree does. All processes call it at the same points.
func (r *run) agree(err error) error {
	if err == nil {
		err = r.unheard
	}
	return world.Agree(r.World, err)
}

// record tells the recorder. Of several processes only the first has one: what it does
// not take becomes an error of all with the next agree.
func (r *run) record(e event.Event) error {
	err := r.Recorder.Record(e)
	if r.together() && err != nil {
		r.unheard, err = err, nil
	}
	return err
}

// stopped reports whether err is the end of ctx, here or in another process.
func (r *run) stopped(ctx context.Context, err error) bool {
	return ctx.Err() != nil && errors.Is(err, ctx.Err()) || r.together() && errors.Is(err, context.Canceled)
}

// share gives all processes what the first one starts from, which alone reads files:
// weights, averages, the optimizer's state and the position.
func (r *run) share() error {
	if !r.together() {
		return nil
	}
	state := r.solver.State()
	for _, values := range r.values() {
		var sent []byte
		if r.World.Rank() == 0 {
			var err error
			if sent, err = binary.Append(nil, binary.LittleEndian, values); err != nil {
				return err
			}
		}
		if _, err := binary.Decode(r.World.Broadcast(0, sent), binary.LittleEndian, values); err != nil {
			return err
		}
	}
	var position bytes.Buffer
	if err := gob.NewEncoder(&position).Encode(r.at); err != nil {
		return err
	}
	if err := gob.NewDecoder(bytes.NewReader(r.World.Broadcast(0, position.Bytes()))).Decode(&r.at); err != nil {
		return err
	}
	state.Step = r.at.Step
	return r.solver.Load(state)
}

// values are all numbers that a run changes: the net's, their averages and the
// optimizer's state, in an order that is the same in all processes.
func (r *run) values() (all [][]float32) {
	for _, p := range r.Params.All() {
		all = append(all, p.Value)
	}
	if r.graphs.Averages != nil {
		for _, p := range r.graphs.Averages.All() {
			all = append(all, p.Value)
		}
	}
	state := r.solver.State().Tensors
	for _, name := range slices.Sorted(maps.Keys(state)) {
		all = append(all, state[name])
	}
	return all
}

// checkSame returns an error unless all processes have the same values, bit for bit. It
// names the processes that have others.
func (r *run) checkSame() error {
	if !r.together() {
		return nil
	}
	digest := sha256.New()
	var b []byte
	for _, values := range r.values() {
		b, _ = binary.Append(b[:0], binary.LittleEndian, values)
		digest.Write(b)
	}
	return world.Same(r.World, fmt.Sprintf("net or optimizer's state after step %d", r.at.Step), fmt.Appendf(nil, "SHA-256 %x", digest.Sum(nil)))
}

// checkOrder returns an error unless the graphs of all processes run the same ops in the
// same order: each waits for the others in some of them.
func (r *run) checkOrder() error {
	var ops []string
	for _, step := range r.steps { // one, of whole batches
		ops = append(ops, step.machine.Ops()...)
	}
	return world.Same(r.World, "order of the training graph's ops", []byte(strings.Join(ops, "\n")))
}

// firstOf is the first text, by rank, that is not empty.
func (r *run) firstOf(text string) string {
	if !r.together() {
		return text
	}
	for _, b := range world.Gather(r.World, []byte(text)) {
		if len(b) > 0 {
			return string(b)
		}
	}
	return ""
}
