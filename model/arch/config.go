package arch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Config is the `model` section: the architecture of the net.
type Config struct {
	// Encoder is what makes the features: "unet", the plain UNet, or a net that can
	// have seen ImageNet, with the decoder of segmentation_models.pytorch's Unet.
	// Empty: unet. BaseChannels, Depth, Norm and Up belong to unet alone.
	Encoder string `yaml:"encoder" enum:"unet,efficientnet_lite0,efficientnet_lite1,efficientnet_lite2,mobilenetv2_100,resnet18,resnet34"`
	// DecoderChannels are those of the blocks of the decoder behind another encoder
	// than unet, the deepest first, 1 to 1024 each. The default has about
	// a third of the multiplications of segmentation_models.pytorch's 256, 128, 64, 32, 16.
	DecoderChannels [decoderBlocks]int `yaml:"decoder_channels" range:"[1,1024]"`
	// BaseChannels is the number of channels at full resolution, >= 1; each level down doubles it.
	BaseChannels int `yaml:"base_channels" range:"[1,1024]"`
	// Depth is the number of 2x2 poolings, 1 to 8; image sides must be multiples of 2^Depth.
	Depth int `yaml:"depth" range:"[1,8]"`
	// Norm is "batch" (convolutions without bias, batch norm) or "none" (convolutions with bias).
	Norm string `yaml:"norm" enum:"batch,none"`
	// Up is "transpose" (2x2 stride-2 transposed convolution) or "nearest" (nearest neighbour, then a 3x3 convolution).
	Up string `yaml:"up" enum:"transpose,nearest"`
	// Dropout is the probability of dropping a value of the bottleneck's output, [0, 1); 0 turns it off.
	Dropout float64 `yaml:"dropout" range:"[0,1)"`
	// DeepSupervision trains unet by heads at lower levels too, as nnU-Net does (Isensee et
	// al. 2021): by the mean of the losses at 1, 1/2, 1/4 ... of the image's size, with weights
	// 1, 1/2, 1/4 ..., but not at the two lowest levels. Only training has these heads.
	DeepSupervision bool `yaml:"deep_supervision"`
	// Init is a safetensors file, or one of torch.save, with PyTorch's names, whose
	// weights and running statistics a new run starts from; empty: they are drawn.
	// The head is drawn where the file's has another number of classes, and all but
	// the encoder where the file has no more. ImageNet is a word for such a file.
	Init string `yaml:"init"`
	// Freeze lists parts that are not trained, such as encoder, encoder.layer1 or head:
	// nothing in them changes, for their batch norms keep their running statistics
	// and normalise by them in training too.
	Freeze []string `yaml:"freeze"`
}

// ImageNet is the Config.Init of an encoder other than unet that stands for the weights
// which it got on ImageNet.
const ImageNet = "imagenet"

// The encoders that Config names.
const (
	PlainUNet         = "unet"
	EfficientNetLite0 = "efficientnet_lite0"
	EfficientNetLite1 = "efficientnet_lite1"
	EfficientNetLite2 = "efficientnet_lite2"
	MobileNetV2       = "mobilenetv2_100"
	ResNet18          = "resnet18"
	ResNet34          = "resnet34"
)

// Encoders lists them.
func Encoders() []string {
	return []string{PlainUNet, EfficientNetLite0, EfficientNetLite1, EfficientNetLite2, MobileNetV2, ResNet18, ResNet34}
}

// Plain reports whether the net is the plain UNet.
func (c Config) Plain() bool { return c.Encoder == "" || c.Encoder == PlainUNet }

// DefaultConfig is the UNet of base 32 and depth 4: 7,763,140 parameters for 3 channels and 4 classes.
func DefaultConfig() Config {
	return Config{
		Encoder: PlainUNet, DecoderChannels: [decoderBlocks]int{128, 64, 32, 16, 16},
		BaseChannels: 32, Depth: 4, Norm: "batch", Up: "transpose",
	}
}

// Validate reports every value out of range.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !c.Plain() && !slices.Contains(Encoders(), c.Encoder) {
		bad("model.encoder = %q, want one of %s", c.Encoder, strings.Join(Encoders(), ", "))
	}
	for i, channels := range c.DecoderChannels {
		if unset := c.Plain() && channels == 0; !unset && (channels < 1 || channels > 1024) {
			bad("model.decoder_channels[%d] = %d, want 1..1024", i, channels)
		}
	}
	if c.BaseChannels < 1 || c.BaseChannels > 1024 {
		bad("model.base_channels = %d, want 1..1024", c.BaseChannels)
	}
	if c.Depth < 1 || c.Depth > 8 {
		bad("model.depth = %d, want 1..8", c.Depth)
	}
	if c.Norm != "batch" && c.Norm != "none" {
		bad("model.norm = %q, want batch or none", c.Norm)
	}
	if c.Up != "transpose" && c.Up != "nearest" {
		bad("model.up = %q, want transpose or nearest", c.Up)
	}
	if !(c.Dropout >= 0 && c.Dropout < 1) {
		bad("model.dropout = %v, want 0 <= dropout < 1", c.Dropout)
	}
	if c.DeepSupervision && !c.Plain() {
		bad("model.deep_supervision = true, want false with model.encoder %s: only unet has it", c.Encoder)
	} else if c.DeepSupervision && c.Depth < 3 {
		bad("model.deep_supervision = true, want false with model.depth %d: the two lowest levels have no head of their own, so that 3 is the least", c.Depth)
	}
	if c.Init == ImageNet && c.Plain() {
		bad("model.init = %s, want a file, or model.encoder to be one of %s", c.Init, strings.Join(Encoders()[1:], ", "))
	}
	if errs == nil {
		errs = append(errs, c.validateFreeze())
	}
	return errors.Join(errs...)
}

// freezes reports whether Freeze names the part, or all parts of its kind.
func (c Config) freezes(part string) bool {
	return slices.ContainsFunc(c.Freeze, func(name string) bool {
		return part == name || strings.HasPrefix(part, name+".")
	})
}

func (c Config) validateFreeze() error {
	var known, words []string
	left := false // something to train
	for _, module := range c.describe(1, 1).modules() {
		root, _, more := strings.Cut(module[0].Part, ".")
		known, words = append(known, root), append(words, root)
		if all := parts(module); more {
			known = append(known, all...)
			words = append(words, ranges(all)...)
		}
		left = left || slices.ContainsFunc(module, func(l Layer) bool { return !l.Frozen })
	}
	for _, part := range c.Freeze {
		if !slices.Contains(known, part) {
			return fmt.Errorf("model.freeze has %q, want parts of the net: %s", part, strings.Join(words, ", "))
		}
	}
	if !left {
		return fmt.Errorf("model.freeze = [%s], want at least one part left to train", strings.Join(c.Freeze, ", "))
	}
	return nil
}

// ranges are names of parts, of which those that differ in their number alone become
// one word: encoder.layer1 to encoder.layer4.
func ranges(parts []string) []string {
	var words []string
	stem := func(i int) string { return strings.TrimRight(parts[i], "0123456789") }
	for first, last := 0, 0; first < len(parts); first = last + 1 {
		for last = first; last+1 < len(parts) && stem(last+1) == stem(first); {
			last++
		}
		word := parts[first]
		if last > first {
			word += " to " + parts[last]
		}
		words = append(words, word)
	}
	return words
}

// Summary says which net it is, in a few words.
func (c Config) Summary() string {
	if c.Plain() {
		return fmt.Sprintf("%s, base %d, depth %d", PlainUNet, c.BaseChannels, c.Depth)
	}
	return c.Encoder
}

// CheckSize returns an error unless images of h x w pixels pass through the poolings
// of the net without a remainder. The configuration must be valid.
func (c Config) CheckSize(h, w int) error {
	n := c.describe(1, 1).Multiple()
	if h < n || w < n || h%n != 0 || w%n != 0 {
		why := "2^model.depth"
		if !c.Plain() {
			why = "model.encoder " + c.Encoder
		}
		near := func(side int) int { return max(n, (side+n/2)/n*n) }
		return fmt.Errorf("data.size = [%d, %d], want multiples of %d (%s), such as [%d, %d]", h, w, n, why, near(h), near(w))
	}
	return nil
}
