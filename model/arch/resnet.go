package arch

import "fmt"

// imageNet are the mean and the deviation of the images of ImageNet, in 0..1: red, green, blue.
func imageNet() (mean, deviation [3]float32) {
	return [3]float32{0.485, 0.456, 0.406}, [3]float32{0.229, 0.224, 0.225}
}

// resnet is the encoder of a residual net of basic blocks (He et al. 2016), with
// torchvision's names behind "encoder".
//
//	standardize               (x - mean) / deviation
//	conv1                     7x7 conv, stride 2, norm, ReLU -> 64 channels
//	maxpool                   3x3, stride 2
//	layerL.B                  3x3 conv, norm, ReLU; 3x3 conv, norm; plus the input, by a 1x1 conv and norm
//	                          where it has another shape; ReLU
//
// The skips are the results of conv1 and of layers 1 to 4.
func resnet(name string, channels int) features {
	var f features
	blocks := [4]int{2, 2, 2, 2}
	if name == ResNet34 {
		blocks = [4]int{3, 4, 6, 3}
	}
	conv := func(name, norm, part, x string, in, out, kernel, stride int, relu string) string {
		l := Layer{
			Kind: Conv, Name: name, Part: part, Inputs: []string{x}, In: in, Out: out, Scale: f.scale(x) * stride,
			Kernel: kernel, Stride: stride, Pad: kernel / 2, Norm: &Norm{norm, 1e-5},
		}
		if relu != "" {
			l.Activation = Activation{ReLU, relu}
		}
		return f.add(l)
	}

	mean, deviation := imageNet()
	x := f.standardize(channels, mean, deviation)
	x = conv("encoder.conv1", "encoder.bn1", "encoder.conv1", x, channels, 64, 7, 2, "encoder.relu")
	f.skips[0] = x
	x = f.add(Layer{Kind: MaxPool, Name: "encoder.maxpool", Inputs: []string{x}, In: 64, Out: 64, Scale: 4, Kernel: 3, Stride: 2, Pad: 1})
	in := 64
	for i, repeats := range blocks {
		part, out, stride := fmt.Sprintf("encoder.layer%d", i+1), 64<<i, min(2, i+1)
		for b := range repeats {
			block, short := fmt.Sprintf("%s.%d.", part, b), x
			x = conv(block+"conv1", block+"bn1", part, x, in, out, 3, stride, block+"relu1")
			x = conv(block+"conv2", block+"bn2", part, x, out, out, 3, 1, "")
			if in != out {
				short = conv(block+"downsample.0", block+"downsample.1", part, short, in, out, 1, stride, "")
			}
			x = f.add(Layer{Kind: Add, Name: block + "add", Inputs: []string{x, short}, In: out, Out: out, Scale: f.scale(x), Activation: Activation{ReLU, block + "relu2"}})
			in, stride = out, 1
		}
		f.skips[i+1] = x
	}
	return f
}
