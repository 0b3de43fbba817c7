package predict

// Flipped averages the net's probabilities of an image and of its mirror image.
func (n Net) Flipped() Net { return n.average(mirror) }

// FlippedVertically averages them over the image and the image upside down.
func (n Net) FlippedVertically() Net { return n.average(upsideDown) }

// average is a net that averages over the image and the flipped image.
func (n Net) average(flip func(dst, src []float32, n, h, w, c int)) Net {
	run := n.Run
	var flipped, mean []float32 // of the largest batch so far
	n.Run = func(images []float32, count int) ([]float32, error) {
		if len(flipped) < len(images) {
			flipped, mean = make([]float32, len(images)), make([]float32, count*n.H*n.W*n.Classes)
		}
		flip(flipped, images, count, n.H, n.W, 3)
		p, err := run(flipped[:len(images)], count)
		if err != nil {
			return nil, err
		}
		flip(mean, p, count, n.H, n.W, n.Classes)
		if p, err = run(images, count); err != nil {
			return nil, err
		}
		for i, v := range p {
			mean[i] = (mean[i] + v) / 2
		}
		return mean[:len(p)], nil
	}
	return n
}

// mirror writes images (n,h,w,c) with their columns in reverse order to dst.
func mirror(dst, src []float32, n, h, w, c int) {
	for row := range n * h {
		for x := range w {
			copy(dst[(row*w+x)*c:][:c], src[(row*w+w-1-x)*c:])
		}
	}
}

// upsideDown writes images (n,h,w,c) with their rows in reverse order to dst.
func upsideDown(dst, src []float32, n, h, w, c int) {
	for i := range n {
		for y := range h {
			copy(dst[(i*h+y)*w*c:][:w*c], src[(i*h+h-1-y)*w*c:])
		}
	}
}
