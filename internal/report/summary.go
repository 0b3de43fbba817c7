package report

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/unet-gorgonia/unet-gorgonia/internal/event"
)

// maxSummaryClasses bounds the classes of a summary.
const maxSummaryClasses = 20

// writeSummary says what is about to be trained.
func writeSummary(w io.Writer, e event.Started, classes []string, ink Ink) error {
	var b bytes.Buffer
	line := func(label, format string, args ...any) {
		fmt.Fprintln(&b, labelled(ink, label, fmt.Sprintf(format, args...)))
	}
	patches := ""
	if e.Patches > 0 {
		patches = "patches of "
	}
	line("data", "%d images for training, %d for validation, %s%dx%d pixels", e.TrainImages, e.ValImages, patches, e.Width, e.Height)
	line("epochs", "%d of %d steps each", e.Epochs, e.StepsPerEpoch)
	frozen := ""
	if e.Frozen > 0 {
		frozen = fmt.Sprintf(", and %s frozen", count(e.Frozen))
	}
	line("net", "%s", e.Net)
	line("parameters", "%s%s", count(e.Parameters), frozen)
	line("memory", "about %s", size(e.Memory))

	width := len("class")
	shown := classes[:min(len(classes), maxSummaryClasses, len(e.ClassCounts))]
	for _, name := range shown {
		width = max(width, utf8.RuneCountInString(name))
	}
	var total int64
	for _, n := range e.ClassCounts {
		total += n
	}
	fmt.Fprintln(&b, ink.bold(fmt.Sprintf("%-*s   share  weight", width, "class")))
	for c, name := range shown {
		fmt.Fprintf(&b, "%-*s %6.2f%%  %6.4g\n", width, name, 100*float64(e.ClassCounts[c])/float64(max(total, 1)), e.ClassWeights[c])
	}
	if more := len(classes) - len(shown); more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	_, err := b.WriteTo(w)
	return err
}

// labelled is a line of a summary.
func labelled(ink Ink, label, text string) string {
	return ink.bold(fmt.Sprintf("%-10s", label)) + "  " + text
}

// count is a number that is easily read.
func count(n int) string {
	if n >= 1_000_000 {
		return fmt.Sprintf("%.2f million", float64(n)/1e6)
	}
	return fmt.Sprint(n)
}

// size is a number of bytes, in MiB or GiB.
func size(bytes int64) string {
	if mib := float64(bytes) / (1 << 20); mib < 10_000 {
		return fmt.Sprintf("%.0f MiB", mib)
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30))
}
