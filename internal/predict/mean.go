package predict

// Mean averages the probabilities of nets for images of one size and the same
// classes, in float32 and in the order given. Of one net it is that net.
func Mean(nets ...Net) Net {
	mean := nets[0]
	if len(nets) == 1 {
		return mean
	}
	for _, n := range nets {
		mean.Batch = min(mean.Batch, n.Batch)
	}
	var sum []float32 // of the largest batch so far
	mean.Run = func(images []float32, count int) ([]float32, error) {
		for i, n := range nets {
			p, err := n.Run(images, count)
			if err != nil {
				return nil, err
			}
			if i == 0 {
				sum = append(sum[:0], p...)
				continue
			}
			for k, v := range p {
				sum[k] += v
			}
		}
		for k := range sum {
			sum[k] /= float32(len(nets))
		}
		return sum, nil
	}
	return mean
}
