package checkpoint

import "fmt"

// Finite returns an error if a tensor has NaN or an infinity, which no net works
// with. It names the first one and says how many tensors have some. A file may be
// whole and still hold them.
func (c *Checkpoint) Finite() error {
	var first string
	tensors := 0
	for _, t := range c.Tensors {
		for i, v := range t.Data {
			if v-v != 0 { // NaN - NaN and Inf - Inf are NaN
				if tensors == 0 {
					first = fmt.Sprintf("tensor %q has %v as value %d", t.Name, v, i)
				}
				tensors++
				break
			}
		}
	}
	if tensors == 0 {
		return nil
	}
	return fmt.Errorf("%s, want finite numbers; tensors with others: %d of %d", first, tensors, len(c.Tensors))
}
