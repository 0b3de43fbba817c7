package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/abridge"
	"github.com/unet-gorgonia/unet-gorgonia/internal/doctor"
	"github.com/unet-gorgonia/unet-gorgonia/internal/hub"
	"github.com/unet-gorgonia/unet-gorgonia/internal/metric"
	"github.com/unet-gorgonia/unet-gorgonia/internal/run"
)

// fewestSteps on a batch: the rules of package doctor are for that many or more.
const fewestSteps = 10

// errUnhealthy means that the doctor has found a fault, and has said so.
var errUnhealthy = errors.New("a training would not give what is wanted")

func (p *program) doctor() *cobra.Command {
	var settings settings
	var steps int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor --config FILE",
		Short: "Say before a training whether it will fail, why, and which key to change",
		Long: `Read the whole data set as check does, look at some of the images and how their masks
lie on them, and take a few steps on one batch: does the loss move, how large is a step
against the weights? If it does not move, the steps are taken again with other learning
rates. Then each fault and each doubt is one line, with the key to change and the value
to try. Nothing is written. The exit code is 0 if no fault was found, and 3 otherwise.`,
		Example: p.named("  PROGRAM doctor --config unet.yaml --set optimizer.lr=0.1"),
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := required(cmd, "config"); err != nil {
				return err
			}
			if steps < fewestSteps {
				return usagef("--steps %d: want >= %d, fewer tell too little", steps, fewestSteps)
			}
			cfg, err := p.loadPresent(settings)
			if err != nil {
				return err
			}
			return p.runDoctor(cmd.Context(), run.Training{Config: cfg, Hub: hub.FromEnvironment(p.getenv), Console: p.console(false)}, steps, asJSON)
		},
	}
	settings.register(cmd)
	cmd.Flags().IntVar(&steps, "steps", fewestSteps, "number of steps on the batch, at least 10")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// diagnosis is the JSON of `doctor`. What was not measured is null.
type diagnosis struct {
	Healthy  bool             `json:"healthy"`
	Findings []doctor.Finding `json:"findings"`
	Classes  []classCount     `json:"classes"` // of the training set
	Void     int64            `json:"ignored_pixels"`
	Images   *doctor.Images   `json:"images"`
	Edges    *doctor.Edges    `json:"edges"`
	Trials   []trial          `json:"trials"`
}

// trial is the JSON of a doctor.Trial.
type trial struct {
	LR        float64         `json:"lr"`
	Losses    []metric.Number `json:"losses"`
	GradNorm  metric.Number   `json:"grad_norm"`
	Update    metric.Number   `json:"update"`
	Truth     []float64       `json:"truth"`
	Predicted []float64       `json:"predicted"`
}

func (p *program) runDoctor(ctx context.Context, training run.Training, steps int, asJSON bool) error {
	f, err := training.Diagnose(ctx, steps)
	if err != nil {
		return err
	}
	findings := doctor.Examine(f)
	faults := doctor.Faults(findings)
	if asJSON {
		d := diagnosis{Healthy: faults == 0, Findings: append([]doctor.Finding{}, findings...), Void: f.Void, Images: f.Images, Edges: f.Edges}
		for c, w := range f.Weights {
			n := f.Pixels[c]
			d.Classes = append(d.Classes, classCount{f.Config.Data.Classes[c], n, float64(n) / float64(total(f.Pixels)), w})
		}
		for _, t := range f.Trials {
			v := trial{LR: t.Factor * f.Config.Optimizer.LR, GradNorm: metric.Number(t.GradNorm), Update: metric.Number(t.Update), Truth: t.Truth, Predicted: t.Predicted}
			for _, l := range t.Losses {
				v.Losses = append(v.Losses, metric.Number(l))
			}
			d.Trials = append(d.Trials, v)
		}
		err = writeJSON(p.stdout, d)
	} else {
		err = writeDiagnosis(p.stdout, f, findings)
	}
	if err == nil && faults > 0 {
		err = errUnhealthy
	}
	return err
}

// writeDiagnosis prints figures, findings, and how many there are.
func writeDiagnosis(w io.Writer, f doctor.Figures, findings []doctor.Finding) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if f.Weights != nil {
		fmt.Fprintf(t, "classes\t%s; void %.1f %%\n", shareOf(f.Config.Data.Classes, f.Pixels, f.Weights), 100*float64(f.Void)/float64(f.Void+total(f.Pixels)))
	}
	if im := f.Images; im != nil {
		fmt.Fprintf(t, "images\t%d looked at: values %.3g to %.3g, mean %.2g, deviation %.2g within an image, %.2g of a pixel from image to image\n", im.Number, im.Least, im.Largest, im.Mean, im.Deviation, im.Between)
	}
	if e := f.Edges; e != nil {
		fmt.Fprintf(t, "masks\t%d images have %.2f times their mean contrast at the edges of their own masks, %.2f at those of others; p = %.2g\n", e.Number, e.Own, e.Other, e.P)
	}
	for _, x := range f.Trials {
		fmt.Fprintf(t, "lr %.4g\t%s on one batch: loss %.4g to %.4g, gradient %.2g, a step changes the weights by %.2g of themselves\n",
			x.Factor*f.Config.Optimizer.LR, plural(len(x.Losses)-1, "step"), x.Losses[0], x.Losses[len(x.Losses)-1], x.GradNorm, x.Update)
	}
	if len(f.Trials) > 0 && f.Trials[0].Predicted != nil {
		var all []string
		for c, name := range f.Config.Data.Classes {
			all = append(all, fmt.Sprintf("%s %.1f %% (%.1f %%)", name, 100*f.Trials[0].Predicted[c], 100*f.Trials[0].Truth[c]))
		}
		fmt.Fprintf(t, "predicted\tof the batch after the steps with lr %.4g (in truth): %s\n", f.Config.Optimizer.LR, abridge.Join(all, ", ", mostClasses))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, x := range findings {
		kind := "note"
		if x.Fault {
			kind = "fault"
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", kind, x); err != nil {
			return err
		}
	}
	faults := doctor.Faults(findings)
	verdict := fmt.Sprintf("%s, %s", plural(faults, "fault"), plural(len(findings)-faults, "note"))
	switch {
	case len(f.Faults) > 0:
		verdict += "; the steps were not taken: mend the data first"
	case faults == 0:
		verdict = fmt.Sprintf("no fault found, %s", plural(len(findings), "note"))
	}
	_, err := fmt.Fprintln(w, verdict)
	return err
}

// mostClasses bounds the classes in a line.
const mostClasses = 12

// shareOf lists classes with their shares of the pixels and their weights.
func shareOf(classes []string, pixels []int64, weights []float64) string {
	var all []string
	for c, name := range classes {
		all = append(all, fmt.Sprintf("%s %.2f %% (weight %.4g)", name, 100*float64(pixels[c])/float64(total(pixels)), weights[c]))
	}
	return abridge.Join(all, ", ", mostClasses)
}

func total(pixels []int64) (n int64) {
	for _, p := range pixels {
		n += p
	}
	return n
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
