package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
)

func (p *program) report() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "report --out DIR",
		Short: "Redraw the pictures and the page of a run folder",
		Long: `Redraw curves.png, classes.png, confusion.png and report.html from config.yaml, metrics.csv,
log.jsonl and samples/ of a run folder. Training does the same after each epoch.`,
		Example: p.named("  PROGRAM report --out runs/unet"),
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "out"); err != nil {
				return err
			}
			return p.runReport(out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "run folder `DIR`")
	return cmd
}

func (p *program) runReport(out string) error {
	path := filepath.Join(out, "config.yaml")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not a run folder: %w", out, err)
	}
	if err != nil {
		return err
	}
	cfg, err := config.Parse(path, text)
	if err != nil {
		return err
	}
	pages := run.Pages(out, cfg, p.name)
	pages.Warn = p.console(false).Warn
	if err := pages.Write(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, filepath.Join(out, "report.html"))
	return err
}
