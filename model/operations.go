package model

import (
	"fmt"
	"strings"
)

// Operations is the number of floating-point operations (a multiplication and
// an addition are two) that the convolutions of the net need for an image of h x
// w pixels, counted as direct convolutions: of a forward pass, and of a training
// step, which needs as many again for the gradient of the weights that are
// trained, and for that of the input where something before it is trained.
func (p *Parameters) Operations(h, w int) (forward, training float64) {
	before := false // something is trained
	for _, block := range p.Config.Blocks() {
		var i int
		level := 0 // of the pixels that each weight is multiplied with
		switch {
		case scan(block, "encoder.%d", &i):
			level = i
		case scan(block, "up.%d", &i) && p.Config.Up == "transpose":
			level = p.Config.Depth - i
		case scan(block, "up.%d", &i), scan(block, "decoder.%d", &i):
			level = p.Config.Depth - 1 - i
		}
		pixels := float64(h>>level) * float64(w>>level)
		for _, q := range p.list {
			if len(q.Shape) != 4 || !strings.HasPrefix(q.Name, block+".") {
				continue
			}
			n := 2 * float64(len(q.Value)) * pixels
			forward += n
			training += n
			if before {
				training += n
			}
			if q.Trained() {
				training += n
				before = true
			}
		}
	}
	return forward, training
}

func scan(name, format string, i *int) bool {
	n, _ := fmt.Sscanf(name, format, i)
	return n == 1
}
