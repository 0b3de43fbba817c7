package run

import (
	"cmp"
	"context"
	"fmt"
	"image/color"
	"path/filepath"
	"slices"
	"strings"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/durable"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile"
	"github.com/unet-gorgonia/unet-gorgonia/internal/predict"
	"github.com/unet-gorgonia/unet-gorgonia/internal/report"
	"github.com/unet-gorgonia/unet-gorgonia/internal/suspect"
)

// Unseen is a net and labelled images that it has not learnt: a validation set, or
// a fold and the net of the other folds.
type Unseen struct {
	Open func() (predict.Net, error) // called once for each pass over the images
	Set  *data.Split
}

// Files of SuspectSearch: the list, the page, and the ends of the names of pictures.
const (
	suspectsCSV    = "suspects.csv"
	suspectsPage   = "suspects.html"
	suspectPicture = ".suspect.png"
)

// SuspectSearch looks for masks that are probably wrong; see package suspect.
type SuspectSearch struct {
	All     []Unseen
	Classes []string
	Palette color.Palette // to show them
	Dir     string        // for the list, the page and the pictures
	Console *report.Console
}

// Paths are the files that Run may write.
func (s SuspectSearch) Paths() []string {
	paths := []string{filepath.Join(s.Dir, suspectsCSV), filepath.Join(s.Dir, suspectsPage)}
	for _, u := range s.All {
		for i := range u.Set.Len() {
			paths = append(paths, s.picture(u.Set.Name(i)))
		}
	}
	return paths
}

// removeHalfWritten removes what a killed search left in its folder.
func (s SuspectSearch) removeHalfWritten() error {
	folders := map[string]bool{}
	for _, path := range s.Paths() {
		folders[filepath.Dir(path)] = true
	}
	for folder := range folders {
		if err := durable.RemoveStale(folder, func(name string) bool {
			return name == suspectsCSV || name == suspectsPage || strings.HasSuffix(name, suspectPicture)
		}); err != nil {
			return err
		}
	}
	return nil
}

// picture is that of an image; a name in a sub-folder keeps it.
func (s SuspectSearch) picture(name string) string {
	return filepath.Join(s.Dir, filepath.FromSlash(name)+suspectPicture)
}

// found is a mask in doubt.
type found struct {
	part, image int // of All, and of its Set
	report.SuspectRow
}

// Run lists all masks in doubt, the greatest first, and shows the first 30 on a page. The nets go
// through all images twice, because how sure they are shows at the end of a pass.
func (s SuspectSearch) Run(ctx context.Context) error {
	const pictures = 30
	all := make([][]int, len(s.All)) // by part
	total, done := 0, 0
	for part, u := range s.All {
		for i := range u.Set.Len() {
			all[part] = append(all[part], i)
		}
		total += u.Set.Len()
	}
	show := s.Console.Progress("looking for suspects", "images")
	defer s.Console.Close()
	progress := func() { done++; show(done, 2*total) }

	confidence := suspect.NewConfidence(len(s.Classes))
	if err := s.pass(ctx, all, confidence.Add, func(int, int, data.Sample, []uint8) error {
		progress()
		return nil
	}); err != nil {
		return err
	}
	var doubts []float32 // of an image
	doubt := func(truth []uint8, probabilities []float32) {
		doubts = confidence.Doubts(doubts, truth, probabilities)
	}
	var areas [][]suspect.Area
	var suspects []found
	if err := s.pass(ctx, all, doubt, func(part, i int, sample data.Sample, predicted []uint8) error {
		progress()
		a := suspect.Areas(sample.Mask, predicted, doubts, sample.H, sample.W)
		doubts = doubts[:0]
		if areas = append(areas, a); len(a) > 0 {
			suspects = append(suspects, found{part, i, report.SuspectRow{Name: s.All[part].Set.Name(i), Areas: a}})
		}
		return nil
	}); err != nil {
		return err
	}
	suspect.Rank(areas) // which the suspects share
	slices.SortStableFunc(suspects, func(a, b found) int { return cmp.Compare(b.Areas[0].Doubt, a.Areas[0].Doubt) })

	first := make([][]int, len(s.All))
	rows := map[[2]int]*report.SuspectRow{}
	for i := range suspects[:min(len(suspects), pictures)] {
		f := &suspects[i]
		first[f.part] = append(first[f.part], f.image)
		rows[[2]int{f.part, f.image}] = &f.SuspectRow
	}
	if err := s.pass(ctx, first, doubt, func(part, i int, sample data.Sample, predicted []uint8) error {
		row := rows[[2]int{part, i}]
		path := s.picture(row.Name)
		if err := durable.MakeFolder(filepath.Dir(path)); err != nil {
			return err
		}
		err := imagefile.WritePNG(path, report.SuspectPicture(sample, predicted, doubts, row.Areas, s.Palette))
		doubts = doubts[:0]
		if err != nil {
			return err
		}
		row.Picture, err = filepath.Rel(s.Dir, path)
		return err
	}); err != nil {
		return err
	}
	var list []report.SuspectRow
	for _, f := range suspects {
		list = append(list, f.SuspectRow)
	}
	if err := report.WriteSuspects(filepath.Join(s.Dir, suspectsCSV), s.Classes, list); err != nil {
		return err
	}
	path := filepath.Join(s.Dir, suspectsPage)
	if err := report.WriteSuspectsPage(path, s.Classes, s.Palette, list, total); err != nil {
		return err
	}
	if err := s.Console.Close(); err != nil {
		return err
	}
	return s.Console.Note("%d of %d masks have areas where the net is sure of something else: see %s", len(suspects), total, path)
}

// pass has the nets segment images of theirs. rows is given the mask and the
// probabilities of an image, from top to bottom, and then see the image with its mask
// and the net's.
func (s SuspectSearch) pass(ctx context.Context, images [][]int, rows func(truth []uint8, probabilities []float32), see func(part, i int, sample data.Sample, predicted []uint8) error) error {
	for part, u := range s.All {
		if len(images[part]) == 0 {
			continue
		}
		net, err := u.Open()
		if err != nil {
			return err
		}
		load := u.Set.Load
		if net.Tiled {
			load = u.Set.LoadOwn
		}
		for _, i := range images[part] {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			sample, err := load(i)
			if err != nil {
				return err
			}
			truth := sample.Mask
			predicted, err := net.Segment(ctx, imagefile.Image{Pix: sample.Image, H: sample.H, W: sample.W}, func(probabilities []float32) error {
				n := len(probabilities) / net.Classes
				rows(truth[:n], probabilities)
				truth = truth[n:]
				return nil
			})
			if err != nil {
				return fmt.Errorf("%s: %w", u.Set.Name(i), err)
			}
			if err := see(part, i, sample, predicted); err != nil {
				return err
			}
		}
	}
	return nil
}
