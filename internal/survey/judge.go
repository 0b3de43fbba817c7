package survey

import (
	"fmt"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/loss/scheme"
)

// Shares of void pixels beyond which a warning tells of them. One-hot arrays seldom
// have any: where many vectors are zero, the background has no channel.
const (
	usualVoid       = 0.3
	usualVoidOneHot = 0.1
)

// Judge says what is wrong with the pixels that were counted in a split, train, val
// or test: warnings, each with numbers and the key that would change it, and a fault
// where training cannot do with them.
func Judge(cfg config.Config, set *data.Split, split string, c data.Counts) (warnings []string, fault error) {
	return judge(cfg, set, split, c, "")
}

// judge is Judge; where tells in which images classes without a pixel were looked for.
func judge(cfg config.Config, set *data.Split, split string, c data.Counts, where string) (warnings []string, fault error) {
	j := judgement{Config: cfg.Data, Counts: c, split: split, oneHot: set.OneHot(), labelled: c.Labelled()}
	for class, n := range c.Pixels {
		if n == 0 {
			j.absent = append(j.absent, class)
		} else {
			j.present = append(j.present, class)
		}
	}
	if c.Images == 0 {
		return nil, nil
	}
	warn := func(format string, args ...any) {
		warnings = append(warnings, split+": "+fmt.Sprintf(format, args...))
	}
	switch {
	case where != "":
	case split == "train":
		fault = j.fault(cfg.Loss)
	case split == "val" && j.labelled == 0:
		fault = cfg.Data.Unlabelled(split, c.Images)
	}
	for _, remark := range c.Remarks() {
		warn("%s", remark)
	}
	tells := len(j.absent) > 0 && !j.fromOne() // of the void pixels, beside the absent classes
	if len(j.absent) > 0 && fault == nil {
		alone := ""
		if len(j.present) == 1 && split != "train" && where == "" {
			alone = fmt.Sprintf(", so mIoU measures %s alone, and 0 for each other class that is predicted", j.names(j.present))
		}
		warn("no pixel of %s%s%s%s", j.names(j.absent), where, alone, j.reason())
	}
	if first := c.VoidBesideFirst; len(first) > c.VoidBesideOther && c.NoVoid > 0 {
		warn("%s", j.encodings())
	} else if !tells && j.muchVoid() {
		warn("%s: they are not learnt, and mIoU leaves them out%s", j.void(), j.isItAClass())
	}
	if blended := j.blended(); len(blended) > 1 {
		warn("%s lie in lines of a pixel or two between lower and higher classes, as in masks that were scaled with interpolation: scale masks by nearest neighbour", j.names(blended))
	}
	if text := palettes(c.Shown, cfg.Data.Classes); text != "" {
		warn("%s", text)
	}
	if split == "train" {
		for _, class := range j.present {
			if meansVoid(cfg.Data.Classes[class]) {
				warn("%s", j.named(class))
			}
		}
	}
	return warnings, fault
}

// judgement is what is judged.
type judgement struct {
	data.Config
	data.Counts
	split           string
	oneHot          bool
	labelled        int64 // pixels
	present, absent []int // classes
}

// fault is why the training set cannot be trained on.
func (j *judgement) fault(cfg scheme.Config) error {
	if _, err := scheme.Weights(cfg, j.Pixels, j.ImagePixels, j.Classes); err != nil {
		return fmt.Errorf("%w%s", err, j.reason())
	}
	if len(j.present) == 1 && j.Ignored > 0 {
		return fmt.Errorf("data: only %s has pixels in the training set, which leaves nothing to learn%s", j.names(j.present), j.reason())
	}
	return nil
}

// blended are the rare classes that, but for corners, lie on an edge between a lower and a
// higher one. A single one may be an outline; interpolation makes several.
func (j *judgement) blended() (classes []int) {
	for _, class := range j.present {
		if n := j.Pixels[class]; 5*j.Between[class] >= 4*n && 10*n < j.labelled {
			classes = append(classes, class)
		}
	}
	return classes
}

// muchVoid reports whether more pixels are void than usual.
func (j *judgement) muchVoid() bool {
	usual := usualVoid
	if j.oneHot {
		usual = usualVoidOneHot
	}
	return float64(j.Ignored) > usual*float64(j.Ignored+j.labelled)
}

// names lists classes.
func (j *judgement) names(classes []int) string {
	var all []string
	for _, c := range classes {
		all = append(all, fmt.Sprintf("class %d (%s)", c, j.Classes[c]))
	}
	return enumerate(all)
}

// enumerate lists the first of some texts.
func enumerate(all []string) string { return abridge.Join(all, ", ", mostNames) }

// reason is why classes may have no pixel: they are read as void, or counted from 1.
func (j *judgement) reason() string {
	switch {
	case len(j.absent) == 0:
		return ""
	case j.fromOne():
		return fmt.Sprintf("; no mask holds 0: if 0 is no class, take %s out of data.classes and set data.mask_values: %s", j.Classes[0], imagefile.Values(1, len(j.Classes)-1))
	case j.Ignored > 0:
		return fmt.Sprintf("; %s%s", j.void(), j.isItAClass())
	}
	return ""
}

// fromOne reports whether classes look as if they were counted from 1.
func (j *judgement) fromOne() bool {
	return slices.Equal(j.absent, []int{0}) && j.ValueOf(0) == 0 && len(j.present) > 1 && !j.oneHot && len(j.Palette) == 0
}

// void says how many pixels are void, and how that stands in the masks.
func (j *judgement) void() string {
	all := j.labelled + j.Ignored
	return fmt.Sprintf("%d of %d pixels (%.1f %%) are void, %s", j.Ignored, all, 100*float64(j.Ignored)/float64(all), j.voidMark())
}

// voidMark is how void stands in the masks.
func (j *judgement) voidMark() string {
	switch {
	case j.oneHot:
		return "a vector of zeros"
	case len(j.Palette) > 0:
		return fmt.Sprintf("the colour %v at the end of data.palette", j.Palette[len(j.Palette)-1])
	}
	return fmt.Sprintf("the value %d (data.ignore_index)", j.IgnoreIndex)
}

// isItAClass is what to do if void pixels are of a class.
func (j *judgement) isItAClass() string {
	switch {
	case j.oneHot:
		return "; is a background channel missing? np.concatenate([1 - masks.sum(-1, keepdims=True), masks], -1) adds it"
	case len(j.Palette) > 0:
		return ""
	case len(j.absent) == 1 && len(j.Classes) <= 4:
		values := make([]string, len(j.Classes))
		for c := range values {
			values[c] = fmt.Sprint(j.ValueOf(c))
		}
		values[j.absent[0]] = fmt.Sprint(j.IgnoreIndex)
		return fmt.Sprintf("; if they are %s, set data.mask_values: [%s]%s", j.Classes[j.absent[0]], strings.Join(values, ", "), j.otherIgnore())
	}
	return fmt.Sprintf("; if they are a class, set data.mask_values to the value of each class%s", j.otherIgnore())
}

// otherIgnore says that a value cannot be both void and a class, unless it is the default.
func (j *judgement) otherIgnore() string {
	if j.IgnoreIndex == data.DefaultConfig().IgnoreIndex {
		return ""
	}
	return " and another data.ignore_index"
}

// encodings says that some masks hold void where others hold classes.
func (j *judgement) encodings() string {
	text := fmt.Sprintf("%d of %d masks hold nothing but class 0 (%s) and void, %s: %s; with other classes and no void: %d. If they are encoded differently, save all alike",
		len(j.VoidBesideFirst), j.Images, j.Classes[0], j.voidMark(), enumerate(j.VoidBesideFirst), j.NoVoid)
	if len(j.Classes) == 2 && !j.oneHot && len(j.Palette) == 0 {
		text += "; or, if all are black and white in a viewer (a 1-bit file of 0 and 1 looks like an 8-bit one of 0 and 255), set data.palette: [[0, 0, 0], [255, 255, 255]]"
	}
	return text
}

// named says what a class is that is called as if it were none.
func (j *judgement) named(class int) string {
	name, share := j.Classes[class], 100*float64(j.Pixels[class])/float64(j.labelled)
	text := fmt.Sprintf("class %d (%s) has %.1f %% of the labelled pixels and is learnt like any class; if it is void, take it out of data.classes", class, name, share)
	switch {
	case j.oneHot:
		return text + " and its channel out of masks.npy"
	case len(j.Palette) > 0:
		return text + " and put its colour at the end of data.palette"
	case class == 0 && len(j.MaskValues) == 0:
		return fmt.Sprintf("%s and set data.ignore_index: 0 and data.mask_values: %s", text, imagefile.Values(1, len(j.Classes)-1))
	}
	return fmt.Sprintf("%s and set data.ignore_index: %d and data.mask_values to the values of the others", text, j.ValueOf(class))
}
