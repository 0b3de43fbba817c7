package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/data"
)

func (p *program) synth() *cobra.Command {
	var out string
	var count int
	var seed uint64
	cmd := &cobra.Command{
		Use:     "synth --out DIR",
		Short:   "Write the synthetic set as a folder data set",
		Long:    "Write the first images of the synthetic training set as DIR/images and DIR/masks.",
		Example: p.named("  PROGRAM synth --out shapes --count 100"),
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "out"); err != nil {
				return err
			}
			if count < 1 {
				return usagef("--count %d: want >= 1", count)
			}
			if err := data.WriteSynthetic(out, data.DefaultConfig().Size, count, seed); err != nil {
				return err
			}
			_, err := fmt.Fprintf(p.stdout, "%d images and masks written to %s\n", count, out)
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`DIR` to write to, new or without files")
	cmd.Flags().IntVar(&count, "count", 64, "number of images")
	cmd.Flags().Uint64Var(&seed, "seed", 42, "seed of the images")
	return cmd
}
