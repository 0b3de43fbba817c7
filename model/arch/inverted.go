package arch

import "fmt"

// stage is a row of the table of a net of inverted residuals: so many blocks, of which
// the first has the stride.
type stage struct{ repeats, kernel, stride, out int }

// invertedNet is a net of inverted residuals (MobileNetV2: Sandler et al. 2018) without
// the 1x1 convolution and the classifier at its end.
type invertedNet struct {
	stages [7]stage // the first without expansion, the others with 6
	// same is set where the padding of strided convolutions is TensorFlow's.
	same            bool
	epsilon         float64
	mean, deviation [3]float32 // of images in 0..1
}

// invertedNets have the definitions of timm's tf_efficientnet_lite0, 1 and 2 (Tan and Le
// 2019, without squeeze and excitation) and mobilenetv2_100.
func invertedNets(name string) invertedNet {
	half := [3]float32{0.5, 0.5, 0.5}
	switch name {
	case EfficientNetLite0:
		return invertedNet{[7]stage{{1, 3, 1, 16}, {2, 3, 2, 24}, {2, 5, 2, 40}, {3, 3, 2, 80}, {3, 5, 1, 112}, {4, 5, 2, 192}, {1, 3, 1, 320}}, true, 1e-3, half, half}
	case EfficientNetLite1:
		return invertedNet{[7]stage{{1, 3, 1, 16}, {3, 3, 2, 24}, {3, 5, 2, 40}, {4, 3, 2, 80}, {4, 5, 1, 112}, {5, 5, 2, 192}, {1, 3, 1, 320}}, true, 1e-3, half, half}
	case EfficientNetLite2:
		return invertedNet{[7]stage{{1, 3, 1, 16}, {3, 3, 2, 24}, {3, 5, 2, 48}, {4, 3, 2, 88}, {4, 5, 1, 120}, {5, 5, 2, 208}, {1, 3, 1, 352}}, true, 1e-3, half, half}
	}
	mean, deviation := imageNet()
	return invertedNet{[7]stage{{1, 3, 1, 16}, {2, 3, 2, 24}, {3, 3, 2, 32}, {4, 3, 2, 64}, {3, 3, 1, 96}, {3, 3, 2, 160}, {1, 3, 1, 320}}, false, 1e-5, mean, deviation}
}

// inverted is the encoder of such a net, with timm's names behind "encoder.model".
//
//	standardize               (x - mean) / deviation
//	conv_stem                 3x3 conv, stride 2, norm, ReLU6 -> 32 channels
//	blocks.S.B                1x1 conv to 6 times the channels, norm, ReLU6 (not in stage 0); 3x3 or 5x5
//	                          depthwise conv, norm, ReLU6; 1x1 conv, norm; plus the input where it has the same shape
//
// The skips are the results of stages 0, 1, 2, 4 and 6.
func inverted(name string, channels int) features {
	var f features
	net := invertedNets(name)
	const root, expansion = "encoder.model.", 6

	conv := func(kind Kind, name, norm, part, x string, in, out, kernel, stride int, relu6 bool) string {
		l := Layer{
			Kind: kind, Name: name, Part: part, Inputs: []string{x}, In: in, Out: out, Scale: f.scale(x) * stride,
			Kernel: kernel, Stride: stride, Pad: kernel / 2, Norm: &Norm{norm, net.epsilon},
		}
		if stride == 2 && net.same {
			l.Pad = (kernel - stride) / 2
		}
		if relu6 {
			l.Activation = Activation{ReLU6, norm + ".act"}
		}
		return f.add(l)
	}

	x := f.standardize(channels, net.mean, net.deviation)
	x = conv(Conv, root+"conv_stem", root+"bn1", root+"conv_stem", x, channels, 32, 3, 2, true)
	in := 32
	for s, stage := range net.stages {
		part := fmt.Sprintf("%sblocks.%d", root, s)
		stride := stage.stride
		for b := range stage.repeats {
			block, input, wide := fmt.Sprintf("%s.%d.", part, b), x, in
			if s == 0 {
				x = conv(Depthwise, block+"conv_dw", block+"bn1", part, x, wide, wide, stage.kernel, stride, true)
				x = conv(Conv, block+"conv_pw", block+"bn2", part, x, wide, stage.out, 1, 1, false)
			} else {
				wide *= expansion
				x = conv(Conv, block+"conv_pw", block+"bn1", part, x, in, wide, 1, 1, true)
				x = conv(Depthwise, block+"conv_dw", block+"bn2", part, x, wide, wide, stage.kernel, stride, true)
				x = conv(Conv, block+"conv_pwl", block+"bn3", part, x, wide, stage.out, 1, 1, false)
			}
			if stride == 1 && in == stage.out {
				x = f.add(Layer{Kind: Add, Name: block + "add", Inputs: []string{x, input}, In: in, Out: in, Scale: f.scale(x)})
			}
			in, stride = stage.out, 1
		}
		if i := map[int]int{0: 0, 1: 1, 2: 2, 4: 3, 6: 4}; s == 0 || i[s] > 0 {
			f.skips[i[s]] = x
		}
	}
	return f
}
