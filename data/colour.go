package data

import (
	"image/color"

	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
)

// Colors is one colour for each class, for masks and overlays: data.palette, or
// black and the colours of Okabe and Ito (2008), which the colour-blind can tell
// apart. From the ninth class on, hues follow by the golden angle.
func Colors(cfg Config) color.Palette { return imagefile.Colors(len(cfg.Classes), cfg.Palette) }
