package data_test

import "github.com/unet-gorgonia/unet-gorgonia/data"

// folderConfig is a data set in the current folder at its files' size (h,w), with classes a, b, c, d.
func folderConfig(h, w int) data.Config {
	c := data.DefaultConfig()
	c.Source, c.Train, c.Val = "folder", ".", "."
	c.Classes = []string{"a", "b", "c", "d"}
	c.Size = [2]int{h, w}
	return c
}
