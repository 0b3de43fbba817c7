package doctor

import (
	"fmt"

	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
)

// join lists the first of some texts.
func join(all []string) string { return abridge.Join(all, ", ", 4) }

// badData is what the survey of the data set has found: no training can begin.
func badData(f Figures) (all []Finding) {
	for _, text := range f.Faults {
		all = append(all, fault("bad_data", nil, "%s", text)...)
	}
	return all
}

// warnings are what else the survey has found.
func warnings(f Figures) (all []Finding) {
	for _, text := range f.Warnings {
		all = append(all, note("data", nil, "%s", text)...)
	}
	return all
}

// constantImages finds images of one value, from which nothing follows.
func constantImages(f Figures) []Finding {
	im := f.Images
	if im == nil || im.Constant == 0 || f.Config.Data.Patches > 0 && im.Constant < im.Number { // a patch may well be of a black margin
		return nil
	}
	text := fmt.Sprintf("%d of %d images looked at have one value at every pixel", im.Constant, im.Number)
	if 2*im.Constant < im.Number {
		return note("constant_images", nil, "%s: a net can only guess their masks", text)
	}
	return fault("constant_images", nil, "%s (values %s to %s): no mask follows from them; look at what was written into the files of data.train, or, if values of 16 bits or floats were cut off, write them again",
		text, number(im.Least), number(im.Largest))
}

// sameImages finds images that do not differ.
func sameImages(f Figures) []Finding {
	const least = 0.01 // of the deviation within an image
	im := f.Images
	if im == nil || im.Number < 2 || 2*im.Constant >= im.Number || im.Between >= least*im.Deviation {
		return nil
	}
	return fault("same_images", nil, "the %d images looked at are nearly the same: a pixel differs by %s from image to image, and by %s within one; look at what was written into the files of data.train", im.Number, number(im.Between), number(im.Deviation))
}

// lastBatch finds a last batch of an epoch that is one image, whose statistics batch norm
// then follows.
func lastBatch(f Figures) []Finding {
	batch := f.Config.Train.BatchSize
	if f.Samples <= batch || f.Samples%batch != 1 || f.Config.Model.Plain() && f.Config.Model.Norm != "batch" {
		return nil
	}
	other := batch + 1
	for f.Samples%other > 0 && f.Samples%other <= other/2 {
		other++
	}
	return note("last_batch", try("train.batch_size", fmt.Sprint(other)), "the last batch of an epoch is a single image (%d in batches of %d), and batch norm follows its statistics just before the validation", f.Samples, batch)
}

// byChance is the share of random pairings of images and masks from which on the own
// pairing is none that anything speaks for.
const byChance = 0.01

// foreignMasks finds masks that do not fit their images better than others do.
func foreignMasks(f Figures) []Finding {
	e := f.Edges
	if e == nil {
		return nil
	}
	if slipped := max(e.Before, e.After); e.Pairs >= LeastPairs-1 && 5*slipped >= 4*e.Pairs {
		which := "before"
		if e.After > e.Before {
			which = "after"
		}
		return fault("foreign_masks", nil, "masks seem to have slipped by one image: in %d of %d pairs of images that follow one another, the mask of the image %s fits better than the own: compare names and order of images and masks, look at them with the augment command", slipped, e.Pairs, which)
	}
	if e.P <= byChance {
		return nil
	}
	return fault("foreign_masks", nil, "masks seem to belong to other images: at the edges of masks, images have %s times their mean contrast on their own images and %s times on others (%d images; %s of random pairings fit as well): compare names and order of images and masks, look at them with the augment command; or the classes have no visible edges, which this test cannot tell apart",
		number(e.Own), number(e.Other), e.Number, percent(e.P))
}

// unknownMasks says that masks could not be compared with images.
func unknownMasks(f Figures) []Finding {
	if f.Images == nil || f.Edges != nil || 2*f.Images.Constant >= f.Images.Number {
		return nil
	}
	return note("unknown_masks", nil, "whether masks belong to their images was not tested: it takes %d different images whose masks have edges; look at them with the augment command", LeastPairs)
}

// channelOrder says that red and blue may be mixed up.
func channelOrder(f Figures) []Finding {
	if f.Images == nil || f.Images.Grey {
		return nil
	}
	text := "whether red and blue are exchanged (BGR, as OpenCV has it) cannot be known from the files: the program reads RGB. A net learns from either, if it sees the same when it predicts"
	if f.Config.Model.Init != "" {
		text += "; weights that were trained elsewhere want the order of their training, which is RGB for those of ImageNet"
	}
	return note("channel_order", nil, "%s", text)
}
