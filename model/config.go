package model

import "github.com/unet-gorgonia/unet-gorgonia/model/arch"

// Config is the `model` section: the architecture of the net.
type Config = arch.Config

// DefaultConfig is the UNet of base 32 and depth 4: 7,763,140 parameters for 3 channels and 4 classes.
func DefaultConfig() Config { return arch.DefaultConfig() }
