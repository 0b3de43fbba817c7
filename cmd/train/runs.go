package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
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
epoch, and whether the run is training, has ended, or was stopped. Below are the mean and
the standard deviation over runs that have ended and differ in seed or data.fold only.`,
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
		c.Write(append(row, sixDigits(r.BestIoU), strconv.Itoa(r.BestEpoch), sixDigits(r.LastIoU), strconv.Itoa(r.Epochs), r.State))
	}
	c.Flush()
	return c.Error()
}

// sixDigits is a figure as CSV has it: an undefined one is empty.
func sixDigits(x float64) string {
	if math.IsNaN(x) {
		return ""
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
			cells = append(cells, abridged(value))
		}
		epoch := "–"
		if r.BestEpoch > 0 {
			epoch = fmt.Sprintf("%d of %d", r.BestEpoch, r.Epochs)
		}
		state := r.State
		if r.Epochs < r.Config.Train.Epochs {
			state += fmt.Sprintf(" (%d of %d epochs)", r.Epochs, r.Config.Train.Epochs)
		}
		fmt.Fprintln(t, strings.Join(append(cells, fourDecimals(r.BestIoU), epoch, fourDecimals(r.LastIoU), state), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return meansTable(w, all, keys, values)
}

// repeated are the keys of which several values make one experiment several times.
var repeated = []string{"seed", "data.fold"}

// meansTable has a line for each set of runs that have ended and differ in seed or
// fold only, if there is one: mean and standard deviation of their figures.
func meansTable(w io.Writer, all []run.Listed, keys []string, values [][]string) error {
	type experiment struct {
		values     []string // of the other keys
		best, last []float64
	}
	var experiments []*experiment
	byValues := map[string]*experiment{}
	for i, r := range all {
		if r.State != "ended" && r.State != "early stop" {
			continue
		}
		var others []string
		for k, key := range keys {
			if !slices.Contains(repeated, key) {
				others = append(others, values[i][k])
			}
		}
		text := strings.Join(others, "\n")
		if byValues[text] == nil {
			byValues[text] = &experiment{values: others}
			experiments = append(experiments, byValues[text])
		}
		e := byValues[text]
		e.best, e.last = append(e.best, r.BestIoU), append(e.last, r.LastIoU)
	}
	if !slices.ContainsFunc(experiments, func(e *experiment) bool { return len(e.best) > 1 }) {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	header := []string{"\nruns"}
	for _, key := range keys {
		if !slices.Contains(repeated, key) {
			header = append(header, key)
		}
	}
	fmt.Fprintln(t, strings.Join(append(header, "best mIoU, mean and std", "last mIoU, mean and std"), "\t"))
	for _, e := range experiments {
		cells := []string{strconv.Itoa(len(e.best))}
		for _, value := range e.values {
			cells = append(cells, abridged(value))
		}
		for _, figures := range [][]float64{e.best, e.last} {
			mean, std := metric.MeanStd(figures)
			cells = append(cells, fourDecimals(mean)+"  "+fourDecimals(std))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

// abridged is a value as a table shows it.
func abridged(value string) string {
	if runes := []rune(value); len(runes) > longest {
		return string(runes[:longest-1]) + "…"
	}
	return value
}

// fourDecimals is a figure as a table shows it.
func fourDecimals(x float64) string {
	if math.IsNaN(x) {
		return "–"
	}
	return fmt.Sprintf("%.4f", x)
}
