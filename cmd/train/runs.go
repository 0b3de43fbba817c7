package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
)

func (p *program) runs() *cobra.Command {
	var asJSON, asCSV bool
	cmd := &cobra.Command{
		Use:   "runs DIR...",
		Short: "List runs: what differs in their configurations, and their best figures",
		Long: `List the run folders below DIR: those keys of their configurations that are not the
same in all of them, the best mIoU of a validation and its epoch, the mIoU after the last
epoch, and whether the run is training, has ended, or was stopped.`,
		Example: p.named(`  PROGRAM runs runs
  PROGRAM runs runs/a runs/b --csv`),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("%s: want a folder", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON && asCSV {
				return usagef("--json and --csv: want one of them")
			}
			return p.runRuns(args, asJSON, asCSV)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&asCSV, "csv", false, "print CSV")
	return cmd
}

func (p *program) runRuns(dirs []string, asJSON, asCSV bool) error {
	var all []run.Listed
	for _, dir := range dirs {
		found, problems, err := run.List(dir)
		if err != nil {
			return err
		}
		for _, problem := range problems {
			p.console(false).Warn("left out: %v", problem)
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		return fmt.Errorf("%s: no run folder", strings.Join(dirs, ", "))
	}
	switch {
	case asJSON:
		return writeJSON(p.stdout, jsonOf(all))
	case asCSV:
		return csvOf(p.stdout, all)
	}
	return runsTable(p.stdout, all)
}

// differing are the keys that differ between runs, but for their folder, and the
// values of each run.
func differing(all []run.Listed) (keys []string, values [][]string) {
	configs := make([]config.Config, len(all))
	for i, r := range all {
		configs[i] = r.Config
		configs[i].Out = ""
	}
	return config.Differing(configs)
}

// runJSON is a run in the JSON of `runs`.
type runJSON struct {
	Run       string            `json:"run"`
	Keys      map[string]string `json:"keys"` // that differ, in YAML
	BestIoU   metric.Number     `json:"best_miou"`
	BestEpoch int               `json:"best_epoch"` // from 1; 0: none
	LastIoU   metric.Number     `json:"last_miou"`
	Epochs    int               `json:"epochs"` // done
	State     string            `json:"state"`
}

func jsonOf(all []run.Listed) []runJSON {
	keys, values := differing(all)
	list := make([]runJSON, len(all))
	for i, r := range all {
		list[i] = runJSON{r.Dir, map[string]string{}, metric.Number(r.BestIoU), r.BestEpoch, metric.Number(r.LastIoU), r.Epochs, r.State}
		for k, key := range keys {
			list[i].Keys[key] = values[i][k]
		}
	}
	return list
}

// figures are the columns that follow the keys, by their names in CSV.
var figures = []string{"best_miou", "best_epoch", "last_miou", "epochs", "state"}

func csvOf(w io.Writer, all []run.Listed) error {
	keys, values := differing(all)
	c := csv.NewWriter(w)
	c.Write(append(append([]string{"run"}, keys...), figures...))
	for i, r := range all {
		row := append([]string{r.Dir}, values[i]...)
		c.Write(append(row, sixDigits(r.BestIoU, ""), strconv.Itoa(r.BestEpoch), sixDigits(r.LastIoU, ""), strconv.Itoa(r.Epochs), r.State))
	}
	c.Flush()
	return c.Error()
}

// sixDigits is a figure; undefined stands for one that is undefined.
func sixDigits(x float64, undefined string) string {
	if math.IsNaN(x) {
		return undefined
	}
	return strconv.FormatFloat(x, 'g', 6, 64)
}

// longest is how many characters of a value a table shows.
const longest = 24

// runsTable is for the terminal: a line for each run.
func runsTable(w io.Writer, all []run.Listed) error {
	keys, values := differing(all)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(append(append([]string{"run"}, keys...), "best mIoU", "epoch", "last mIoU", "state"), "\t"))
	for i, r := range all {
		cells := []string{filepath.ToSlash(r.Dir)}
		for _, value := range values[i] {
			if runes := []rune(value); len(runes) > longest {
				value = string(runes[:longest-1]) + "…"
			}
			cells = append(cells, value)
		}
		best, epoch, last := "–", "–", "–"
		if r.BestEpoch > 0 {
			best, epoch = fmt.Sprintf("%.4f", r.BestIoU), fmt.Sprintf("%d of %d", r.BestEpoch, r.Epochs)
		}
		if !math.IsNaN(r.LastIoU) {
			last = fmt.Sprintf("%.4f", r.LastIoU)
		}
		state := r.State
		if r.Epochs < r.Config.Train.Epochs {
			state += fmt.Sprintf(" (%d of %d epochs)", r.Epochs, r.Config.Train.Epochs)
		}
		fmt.Fprintln(t, strings.Join(append(cells, best, epoch, last, state), "\t"))
	}
	return t.Flush()
}
