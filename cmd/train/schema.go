package main

import (
	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
)

func (p *program) schema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of configuration files, for editors",
		Long: `Print the JSON schema (draft 7) of configuration files. An editor with a YAML language
server completes and checks the keys of a file that begins with the line

  # yaml-language-server: $schema=unet.schema.json`,
		Example: p.named("  PROGRAM schema > unet.schema.json"),
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := p.stdout.Write(config.JSONSchema())
			return err
		},
	}
}
