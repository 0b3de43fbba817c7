package pretrained

import (
	"fmt"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// root begins the names of an encoder's tensors here. Those of timm follow it, in nets of
// inverted residuals behind one more word.
const (
	root         = "encoder."
	invertedRoot = "encoder.model."
)

// way is how a file may name the tensors of an encoder.
type way struct {
	// prefix is before the names of the encoder and its classifier.
	prefix string
	// names are those of the tensors wanted, one by one.
	names []string
	// classifier are beginnings, behind prefix, of what is left out.
	classifier []string
}

// ways are those in which a file has the first tensor wanted, the weights of the first
// convolution: what comes before that name is the prefix of all.
func ways(wanted []arch.Tensor, file *checkpoint.Checkpoint) []way {
	var all []way
	for _, w := range conventions(wanted) {
		for _, name := range names(file) {
			prefix, ok := strings.CutSuffix(name, w.names[0])
			if !ok || prefix != "" && !strings.HasSuffix(prefix, ".") {
				continue
			}
			prefixed := way{prefix: prefix, classifier: w.classifier}
			for _, name := range w.names {
				prefixed.names = append(prefixed.names, prefix+name)
			}
			all = append(all, prefixed)
		}
	}
	return all
}

// conventions are the names that programs give the tensors, where S.B are a stage and a
// block within it, and N counts the blocks of all stages:
//
//	timm, torchvision     conv1, bn1, layerS.B.conv1, ..., fc
//	timm                  conv_stem, bn1, blocks.S.B.conv_pw, ..., conv_head, bn2, classifier
//	efficientnet-pytorch  _conv_stem, _bn0, _blocks.N._expand_conv, ..., _conv_head, _bn1, _fc
//	torchvision           features.0.0, features.0.1, features.N.conv.0.0, ..., classifier
func conventions(wanted []arch.Tensor) []way {
	timm := way{classifier: []string{"fc."}}
	if !strings.HasPrefix(wanted[0].Name, invertedRoot) {
		for _, t := range wanted {
			timm.names = append(timm.names, strings.TrimPrefix(t.Name, root))
		}
		return []way{timm}
	}
	timm.classifier = []string{"conv_head.", "bn2.", "classifier."}
	var efficientnet, torchvision way
	block, n := "", -1 // of the tensor
	for _, t := range wanted {
		name := strings.TrimPrefix(t.Name, invertedRoot)
		timm.names = append(timm.names, name)
		part := strings.Split(name, ".")
		module, value := part[len(part)-2], part[len(part)-1]
		if part[0] != "blocks" {
			m := stemNames[module]
			efficientnet.names = append(efficientnet.names, m.efficientnet+"."+value)
			torchvision.names = append(torchvision.names, "features.0."+m.torchvision+"."+value)
			continue
		}
		if in := part[1] + "." + part[2]; in != block {
			block = in
			n++
		}
		m := blockNames[module]
		if part[1] == "0" {
			m = firstNames[module]
		}
		efficientnet.names = append(efficientnet.names, fmt.Sprintf("_blocks.%d.%s.%s", n, m.efficientnet, value))
		torchvision.names = append(torchvision.names, fmt.Sprintf("features.%d.conv.%s.%s", n+1, m.torchvision, value))
	}
	efficientnet.classifier = []string{"_conv_head.", "_bn1.", "_fc."}
	torchvision.classifier = []string{fmt.Sprintf("features.%d.", n+2), "classifier."}
	return []way{timm, efficientnet, torchvision}
}

// other are the names of one of timm's modules.
type other struct{ efficientnet, torchvision string }

var (
	stemNames = map[string]other{
		"conv_stem": {"_conv_stem", "0"}, "bn1": {"_bn0", "1"},
	}
	// firstNames are those in the first stage, whose block does not expand.
	firstNames = map[string]other{
		"conv_dw": {"_depthwise_conv", "0.0"}, "bn1": {"_bn1", "0.1"},
		"conv_pw": {"_project_conv", "1"}, "bn2": {"_bn2", "2"},
	}
	blockNames = map[string]other{
		"conv_pw": {"_expand_conv", "0.0"}, "bn1": {"_bn0", "0.1"},
		"conv_dw": {"_depthwise_conv", "1.0"}, "bn2": {"_bn1", "1.1"},
		"conv_pwl": {"_project_conv", "2"}, "bn3": {"_bn2", "3"},
	}
)
