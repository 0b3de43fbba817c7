package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/cheggaaa/pb/v3"
)

// progressBar is a progress bar between texts; all together are width columns wide. Where
// there is no room for the bar, the texts remain, and are cut off at last.
func progressBar(ink Ink, what string, done, total int, state string, width int) string {
	if width < 1 {
		return ""
	}
	const around = "\x00" // each part of a bar may be repeated or cut off, so the colour goes around it
	on, off, _ := strings.Cut(ink.bar(around), around)
	return pb.ProgressBarTemplate(`{{string . "what"}}{{bar . "▕" "█" "█" " " "▏"}}{{string . "state"}}`).New(total).
		SetCurrent(int64(done)).SetWidth(width).
		Set("what", what+" "+on).Set("state", fmt.Sprintf("%s %d/%d  %s", off, done, total, state)).String()
}

// pace is how fast a pass goes by the clock.
type pace struct {
	each time.Duration // time of one part, on the mean; 0: not known yet

	begun time.Time // when the first part was seen
	first int       // which one that was
	seen  int       // parts since
}

// see notes that parts 1..done are done. The first call of a pass only starts
// the clock: what came before may have been anything.
func (p *pace) see(now time.Time, done int) {
	if p.begun.IsZero() {
		p.begun, p.first = now, done
	}
	if p.seen = done - p.first; p.seen > 0 {
		p.each = now.Sub(p.begun) / time.Duration(p.seen)
	}
}

// pause stops the clock until see is called again. The pace remains.
func (p *pace) pause() { p.begun, p.seen = time.Time{}, 0 }

// paused reports whether see was not called since the last pause.
func (p *pace) paused() bool { return p.begun.IsZero() }

// left is the time that this many parts take.
func (p *pace) left(parts int) time.Duration { return time.Duration(parts) * p.each }

// durationText is "4s", "3m5s" or "12h7m".
func durationText(d time.Duration) string {
	if d >= time.Hour {
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.Round(time.Second).String()
}
