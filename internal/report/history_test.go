package report

import (
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever stands in metrics.csv and log.jsonl, reading them ends, and what was
// read can be shown.
func FuzzHistory(f *testing.F) {
	classes := []string{"a", "b"}
	header := "epoch,step,lr,train_loss,val_loss,val_miou,val_pixel_accuracy,iou_a,iou_b,images_per_second,seconds\n"
	const log = `{"event":"started","data":{"epochs":4,"class_counts":[3,0],"class_weights":[1,0]}}
{"event":"epoch","data":{"epoch":1,"classes":[{"iou":null},{"iou":1}],"confusion":[[3,0],[0,0]],"samples":["x"]}}
`
	f.Add([]byte(header+"1,2,0.1,,1e300,0.5,1,1,,12.3,4.0\n2,4,"), []byte(log))
	f.Add([]byte(header+"1,2,0.1,1,1,1,1,1,1,1,1\n2,4,0.1,1,1,,1,,1,1,1\n"), []byte(strings.ReplaceAll(log, `{"event"`, `{"time":"2026-03-01T23:59:59Z","event"`)+
		`{"time":"2026-03-02T00:00:01Z","event":"noticed","data":{"epoch":1,"name":"a","text":"b"}}`+"\n"+`{"event":"started","data":{"step":3,"epoch":2,"class_counts":[3,0],"class_weights":[1,0]}}`+"\n"+`{"event":"ended","data":{"cause":"x"}}`+"\n"))
	f.Add([]byte(header+"1,2,0.1,1,1,1,1,1,1,1,1\n"), []byte(`{"event":"epoch","data":{"confusion":[[1]]}}`+"\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, table, log []byte) {
		for name, text := range map[string][]byte{"metrics.csv": table, "log.jsonl": log} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		h, err := readHistory(dir, classes)
		if err != nil {
			return
		}
		if len(h.facts()) == 0 || h.state() == "" || h.when() == "" && !h.heard.IsZero() {
			t.Error("nothing to show")
		}
		p := &Pages{Classes: classes, Palette: []color.Color{color.Black, color.White}}
		for _, panel := range h.curves(classes, p.Palette) {
			if len(panel.spots) != len(h.rows) {
				t.Errorf("%s: %d spots for %d epochs", panel.title, len(panel.spots), len(h.rows))
			}
		}
		if rows := p.classRows(h); len(rows) != len(classes) || len(rows[0].Figures) != len(rows[1].Figures) {
			t.Errorf("classes have the rows %v", rows)
		}
	})
}
