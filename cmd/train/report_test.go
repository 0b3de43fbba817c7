package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// pictures are the flags of a tiny run that draws.
func pictures(flags ...string) []string {
	return tiny(append([]string{"--set", "report.pictures=true"}, flags...)...)
}

// metricsOf are the rows of a run's metrics.csv.
func metricsOf(t *testing.T, run string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(read(t, run+"/metrics.csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

var figure = regexp.MustCompile(`<data value="([^"]*)">([^<]*)</data>`)

// figuresOf are the figures of the page's table of epochs, with all their digits.
func figuresOf(t *testing.T, page string) []string {
	t.Helper()
	_, part, ok := strings.Cut(page, `<section id="epochs">`)
	if !ok {
		t.Fatal("the page has no table of epochs")
	}
	var all []string
	for _, m := range figure.FindAllStringSubmatch(part, -1) {
		all = append(all, m[1])
	}
	return all
}

// A run draws itself, goes on where it was, and is drawn anew from its folder.
func TestReport(t *testing.T) {
	inFolder(t)
	three := pictures("--epochs", "3")
	ctx, stop := context.WithCancel(t.Context())
	if o := when(ctx, map[string]func(){"epoch 1/3": stop}, three...); o.code != exitInterrupted {
		t.Fatalf("exit code %d\n%s", o.code, o.stderr)
	}
	must(t, append(three, "--resume", "auto")...)
	drawn := []string{"report.html", "curves.png", "classes.png", "confusion.png"}
	before := map[string]string{}
	for _, name := range drawn {
		before[name] = read(t, "run/"+name)
		if err := os.Remove("run/" + name); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := must(t, "report", "--out", "run"), "run/report.html\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, name := range drawn {
		if read(t, "run/"+name) != before[name] {
			t.Errorf("%s is not as the run drew it", name)
		}
	}
	page := before["report.html"]
	if got, want := figuresOf(t, page), slices.Concat(metricsOf(t, "run")...); !slices.Equal(got, want) {
		t.Errorf("the page's figures are\n%q\nmetrics.csv has\n%q", got, want)
	}
	samples, err := filepath.Glob("run/samples/*")
	if err != nil || strings.Join(samples, " ") != "run/samples/epoch-001.png run/samples/epoch-002.png run/samples/epoch-003.png" {
		t.Errorf("%v, the samples are %v", err, samples)
	}

	t.Run("the command of the page makes the same run", func(t *testing.T) {
		_, after, _ := strings.Cut(page, "<pre>train ")
		line, _, _ := strings.Cut(after, "</pre>")
		must(t, strings.Fields(html.UnescapeString(line))...)
		got, want := metricsOf(t, "run-again"), metricsOf(t, "run")
		const timed = 2 // columns
		for i := range want {
			if n := len(want[i]) - timed; !slices.Equal(got[i][:n], want[i][:n]) {
				t.Errorf("epoch %d: got %v, want %v", i+1, got[i], want[i])
			}
		}
	})

	write(t, "broken/config.yaml", "trian: 1\n")
	write(t, "new/config.yaml", read(t, "run/config.yaml"))
	for _, tc := range []struct {
		name string
		code int
		args []string
		want []string // lines of stderr
	}{
		{"no flag", 2, []string{"report"}, []string{"train: --out DIR is missing: run folder DIR"}},
		{"no folder", 1, []string{"report", "--out", "nowhere"}, []string{"train: nowhere is not a run folder: open nowhere/config.yaml: no such file or directory"}},
		{"another folder", 1, []string{"report", "--out", "run/samples"}, []string{"train: run/samples is not a run folder: open run/samples/config.yaml: no such file or directory"}},
		{"another configuration", 1, []string{"report", "--out", "broken"}, []string{"train: broken/config.yaml:1: unknown key trian, did you mean train?"}},
		{"no epoch yet", 1, []string{"report", "--out", "new"}, []string{"train: report: new/metrics.csv: no epoch is finished yet"}},
	} {
		t.Run(tc.name, func(t *testing.T) { check(t, command(t, tc.args...), tc.code, tc.want) })
	}
}

// In a browser, from the disk, the page shows the figures of metrics.csv, its
// pictures load and its slider works.
func TestReportInBrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	inFolder(t)
	must(t, pictures()...)
	page := read(t, "run/report.html")
	// What a reader does and sees, written into the page for --dump-dom.
	const probe = `<script>
addEventListener("load", () => {
  const range = document.getElementById("opacity"), radio = document.querySelector("[value=truth]");
  range.value = 30; range.dispatchEvent(new Event("input"));
  radio.click();
  const truth = document.querySelector("img.truth"), prediction = document.querySelector("img.prediction");
  const broken = [...document.images].filter(i => i.naturalWidth === 0).length;
  const wide = document.documentElement.scrollWidth > innerWidth;
  document.body.append("probe: " + [getComputedStyle(truth).opacity, getComputedStyle(truth).visibility,
    getComputedStyle(prediction).visibility, document.images.length, broken, wide].join(" "));
});
</script></body>`
	write(t, "run/probed.html", strings.Replace(page, "</body>", probe, 1))
	dir, err := filepath.Abs("run")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(),
		"--dump-dom", "file://"+dir+"/probed.html")
	dom, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := figuresOf(t, string(dom)), slices.Concat(metricsOf(t, "run")...); !slices.Equal(got, want) {
		t.Errorf("the page's figures are\n%q\nmetrics.csv has\n%q", got, want)
	}
	// 3 samples of image, truth, prediction, error and, if it is another, of the best epoch.
	_, probed, _ := strings.Cut(string(dom[max(0, bytes.LastIndex(dom, []byte("probe: "))):]), "probe: ")
	if !regexp.MustCompile(`^0\.3 visible hidden (12|15) 0 false`).MatchString(probed) {
		t.Errorf("opacity, truth, prediction, pictures, broken ones and overflow are %.40q", probed)
	}
}

// Lines of the log that cannot be read do not take the report away: they are left
// out, counted, and said, by report and by a run that goes on.
func TestBadLinesInTheLog(t *testing.T) {
	inFolder(t)
	must(t, pictures("--epochs", "2")...)
	good := read(t, "run/log.jsonl")
	page := read(t, "run/report.html")
	for _, tc := range []struct{ name, line, says string }{
		{"garbage", "no JSON\n", `run/log.jsonl:2: "no JSON\n", want a line of JSON`},
		{"lost blocks", strings.Repeat("\x00", 512) + "\n", `run/log.jsonl:2: "\x00`},
		{"cut off", `{"time":"","event":"epoch","da` + "\n", `run/log.jsonl:2: `},
		{"two in one", `{"time":"","event":"started","da{"time":"","event":"step"}` + "\n", `run/log.jsonl:2: `},
		{"another type", `{"event":"epoch","data":{"confusion":"none"}}` + "\n", `run/log.jsonl:2: `},
		{"empty", "\n", `run/log.jsonl:2: `},
	} {
		t.Run(tc.name, func(t *testing.T) {
			first, rest, _ := strings.Cut(good, "\n")
			write(t, "run/log.jsonl", first+"\n"+tc.line+rest)
			succeed(t, os.Remove("run/report.html"))
			o := command(t, "report", "--out", "run")
			if o.code != 0 || !strings.HasPrefix(o.stderr, "report: lines that cannot be read are left out: 1, the first is "+tc.says) || strings.Count(o.stderr, "\n") != 1 {
				t.Errorf("exit code %d\n%s", o.code, o.stderr)
			}
			if read(t, "run/report.html") != page {
				t.Error("the page is another one")
			}
		})
	}
	write(t, "run/log.jsonl", good+"no JSON\n")
	o := command(t, pictures("--epochs", "4", "--resume", "auto")...)
	if o.code != 0 || strings.Count(o.stderr, "report: lines that cannot be read are left out: 1, ") != 1 {
		t.Errorf("exit code %d, want to be told once\n%s", o.code, o.stderr)
	}
}
