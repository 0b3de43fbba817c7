package model

import "fmt"

// Operations is the number of floating-point operations (a multiplication and
// an addition are two) that the convolutions of the net need for an image of h x
// w pixels, counted as direct convolutions: of a forward pass, and of a training
// step, whose backward pass needs twice as many again but for the gradient of the image.
func (p *Parameters) Operations(h, w int) (forward, training float64) {
	pixels := func(level int) float64 { return float64(h>>level) * float64(w>>level) }
	first := 0.0
	for _, q := range p.list {
		if len(q.Shape) != 4 {
			continue
		}
		var i int
		level := 0 // of the pixels that each weight is multiplied with
		switch {
		case scan(q.Name, "encoder.%d.", &i):
			level = i
		case scan(q.Name, "up.%d.", &i) && p.Config.Up == "transpose":
			level = p.Config.Depth - i
		case scan(q.Name, "up.%d.", &i), scan(q.Name, "decoder.%d.", &i):
			level = p.Config.Depth - 1 - i
		}
		n := 2 * float64(len(q.Value)) * pixels(level)
		if q.Name == "encoder.0.conv1.weight" {
			first = n
		}
		forward += n
	}
	return forward, 3*forward - first
}

func scan(name, format string, i *int) bool {
	n, _ := fmt.Sscanf(name, format, i)
	return n == 1
}
