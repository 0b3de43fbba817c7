package arch

import "fmt"

// unet is the UNet of Ronneberger, Fischer and Brox (2015) in the form that practice
// has settled on: padded convolutions, batch norm, ReLU. C is BaseChannels, D is Depth.
//
//	encoder.0 .. encoder.D    two (3x3 conv, norm, ReLU) each, 2x2 max pool before all but the first
//	                          -> (N, H/2^level, W/2^level, C * 2^level); encoder.D is the bottleneck
//	dropout
//	up.0, decoder.0, ...      from the deepest level up: 2x2 transposed conv, or nearest neighbour and
//	                          3x3 conv; concat, skip first; two (3x3 conv, norm, ReLU)
//	head                      1x1 conv -> (N, H, W, classes)
//	deep.1 .. deep.D-2        in training, with deep supervision: 1x1 conv -> (N, H/2^level, W/2^level, classes)
func unet(c Config, channels, classes int) Net {
	net := Net{Channels: channels, Classes: classes, Shallower: "a smaller model.depth, or model.norm none"}
	width := func(level int) int { return c.BaseChannels << level }
	add := func(l Layer) string {
		net.Layers = append(net.Layers, l)
		return l.Name
	}
	doubleConv := func(part, x string, in, level int) string {
		for _, i := range []string{"1", "2"} {
			conv := Layer{
				Kind: Conv, Name: part + ".conv" + i, Part: part, Inputs: []string{x}, In: in, Out: width(level), Scale: 1 << level,
				Kernel: 3, Stride: 1, Pad: 1, Bias: true, Activation: Activation{ReLU, part + ".relu" + i},
			}
			if c.Norm == "batch" {
				conv.Bias, conv.Norm = false, &Norm{part + ".bn" + i, 1e-5} // beta is a bias
			}
			x, in = add(conv), width(level)
		}
		return x
	}

	x, in := Image, channels
	skips := make([]string, c.Depth+1)
	for level := range skips {
		if level > 0 {
			x = add(Layer{Kind: MaxPool, Name: fmt.Sprintf("pool.%d", level-1), Inputs: []string{x}, In: in, Out: in, Scale: 1 << level, Kernel: 2, Stride: 2})
		}
		x = doubleConv(fmt.Sprintf("encoder.%d", level), x, in, level)
		skips[level], in = x, width(level)
	}
	if c.Dropout > 0 {
		x = add(Layer{Kind: Dropout, Name: "dropout", Inputs: []string{x}, In: in, Out: in, Scale: 1 << c.Depth, Probability: c.Dropout})
	}
	for i := range c.Depth {
		level := c.Depth - 1 - i
		up := Layer{
			Kind: UpConv, Name: fmt.Sprintf("up.%d", i), Part: fmt.Sprintf("up.%d", i), In: in, Out: width(level), Scale: 1 << level,
			Kernel: 2, Stride: 2, Bias: true,
		}
		if c.Up == "nearest" {
			x = add(Layer{Kind: Upsample, Name: up.Name + ".nearest", Inputs: []string{x}, In: in, Out: in, Scale: up.Scale, Stride: 2})
			up.Kind, up.Kernel, up.Stride, up.Pad = Conv, 3, 1, 1
		}
		up.Inputs = []string{x}
		both := []string{skips[level], add(up)}
		x = add(Layer{Kind: Concat, Name: fmt.Sprintf("concat.%d", i), Inputs: both, In: 2 * up.Out, Out: 2 * up.Out, Scale: up.Scale})
		x, in = doubleConv(fmt.Sprintf("decoder.%d", i), x, 2*up.Out, level), width(level)
		if c.DeepSupervision && level > 0 && level < c.Depth-1 {
			name := fmt.Sprintf("deep.%d", level)
			net.Deep = append([]Layer{{Kind: Conv, Name: name, Part: name, Inputs: []string{x}, In: in, Out: classes, Scale: 1 << level, Kernel: 1, Stride: 1, Bias: true}}, net.Deep...)
		}
	}
	add(Layer{Kind: Conv, Name: "head", Part: "head", Inputs: []string{x}, In: in, Out: classes, Scale: 1, Kernel: 1, Stride: 1, Bias: true})
	return net
}
