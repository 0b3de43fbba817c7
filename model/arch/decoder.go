package arch

import "fmt"

// decoderBlocks is the number of blocks of the decoder, which is that of the halvings
// of an encoder.
const decoderBlocks = 5

// features is an encoder under construction.
type features struct {
	layers []Layer
	// skips are layers of 1/2, 1/4, 1/8, 1/16 and 1/32 of the image's size.
	skips [decoderBlocks]string
}

// add adds a layer and returns its name.
func (f *features) add(l Layer) string {
	f.layers = append(f.layers, l)
	return l.Name
}

// layer is the one of that name, which must exist.
func (f *features) layer(name string) Layer {
	for _, l := range f.layers {
		if l.Name == name {
			return l
		}
	}
	panic("arch: no layer " + name)
}

// scale is how many times smaller than the image a layer's result is.
func (f *features) scale(name string) int {
	if name == Image {
		return 1
	}
	return f.layer(name).Scale
}

// standardize adds the op that makes of the image what an encoder was trained on. It is
// a layer of its own: folded into the first convolution it would be wrong at the
// border, where that sees zeros.
func (f *features) standardize(channels int, mean, deviation [3]float32) string {
	l := Layer{Kind: Standardize, Name: "standardize", Inputs: []string{Image}, In: channels, Out: channels, Scale: 1}
	for c := range channels {
		l.Mean = append(l.Mean, mean[min(c, 2)])
		l.Deviation = append(l.Deviation, deviation[min(c, 2)])
	}
	return f.add(l)
}

// unetOf is the Unet of segmentation_models.pytorch 0.6.0 (Iakubovskii 2019), with its
// names, behind an encoder.
//
//	decoder.blocks.0 .. 4     nearest neighbour x2; concat, skip last, but for the last block; two (3x3 conv, norm, ReLU)
//	segmentation_head         3x3 conv -> (N, H, W, classes)
func unetOf(c Config, f features, classes int) Net {
	x := f.skips[decoderBlocks-1]
	deepest := f.layer(x)
	in, scale := deepest.Out, deepest.Scale
	if c.Dropout > 0 {
		x = f.add(Layer{Kind: Dropout, Name: "dropout", Inputs: []string{x}, In: in, Out: in, Scale: scale, Probability: c.Dropout})
	}
	for i, out := range c.DecoderChannels {
		part := fmt.Sprintf("decoder.blocks.%d", i)
		scale /= 2
		x = f.add(Layer{Kind: Upsample, Name: part + ".nearest", Inputs: []string{x}, In: in, Out: in, Scale: scale, Stride: 2})
		if i < decoderBlocks-1 {
			skip := f.layer(f.skips[decoderBlocks-2-i])
			in += skip.Out
			x = f.add(Layer{Kind: Concat, Name: part + ".concat", Inputs: []string{x, skip.Name}, In: in, Out: in, Scale: scale})
		}
		for _, conv := range []string{part + ".conv1", part + ".conv2"} {
			x = f.add(Layer{
				Kind: Conv, Name: conv + ".0", Part: part, Inputs: []string{x}, In: in, Out: out, Scale: scale, Kernel: 3, Stride: 1, Pad: 1,
				Norm: &Norm{conv + ".1", 1e-5}, Activation: Activation{ReLU, conv + ".2"},
			})
			in = out
		}
	}
	f.add(Layer{Kind: Conv, Name: "segmentation_head.0", Part: "segmentation_head", Inputs: []string{x}, In: in, Out: classes, Scale: 1, Kernel: 3, Stride: 1, Pad: 1, Bias: true})
	return Net{Channels: f.layers[0].In, Classes: classes, Layers: f.layers, Shallower: "or model.freeze [encoder], whose batch norms keep their statistics"}
}
