package data_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/imagefile/filetest"
)

// named is a folder data set of images of these names.
func named(t *testing.T, names ...string) data.Config {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		for _, sub := range []string{"images", "masks"} {
			filetest.Write(t, dir+"/"+sub+"/"+name+".png", filetest.Encode(t, "x.png", filetest.Grey(1, 1, 0)))
		}
	}
	c := folderConfig(1, 1)
	c.Train, c.Val = dir, ""
	return c
}

// namesOf are the names of the images of a split.
func namesOf(t *testing.T, c data.Config, seed uint64, split string) (names []string) {
	t.Helper()
	s, err := data.Open(c, seed, split)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Len() {
		names = append(names, s.Name(i))
	}
	return names
}

// Every image validates in one fold and trains in the others, of every source; the
// folds are about equally large, and follow from the seed alone.
func TestFolds(t *testing.T) {
	synthetic := data.DefaultConfig()
	synthetic.Size, synthetic.Synthetic.Train = [2]int{4, 4}, 11
	var letters []string
	for i := range 11 {
		letters = append(letters, string(rune('a'+i)))
	}
	arrays := data.DefaultConfig()
	arrays.Source, arrays.Train, arrays.Size = "npy", t.TempDir(), [2]int{1, 1}
	filetest.Write(t, arrays.Train+"/images.npy", filetest.NPY(t, 1, "|u1", "(11, 1, 1, 3)", make([]float64, 33)...))
	filetest.Write(t, arrays.Train+"/masks.npy", filetest.NPY(t, 1, "|u1", "(11, 1, 1)", make([]float64, 11)...))
	for name, c := range map[string]data.Config{"synthetic": synthetic, "folder": named(t, letters...), "npy": arrays} {
		t.Run(name, func(t *testing.T) {
			whole := c // not divided
			whole.Val = c.Train
			all := namesOf(t, whole, 1, "train")
			c.Folds = 4
			var validated, sizes []string
			for _, fold := range []int{2, 0, 3, 1} {
				c.Fold = fold
				train, val := namesOf(t, c, 1, "train"), namesOf(t, c, 1, "val")
				if both := slices.Sorted(slices.Values(slices.Concat(train, val))); !slices.Equal(both, all) {
					t.Errorf("fold %d trains on %v and validates on %v, want all of %v once", fold, train, val, all)
				}
				validated = append(validated, val...)
				sizes = append(sizes, fmt.Sprint(len(val)))
				if slices.Equal(val, namesOf(t, c, 2, "val")) && slices.Equal(train, namesOf(t, c, 2, "train")) {
					t.Errorf("fold %d does not depend on the seed", fold)
				}
			}
			if slices.Sort(validated); !slices.Equal(validated, all) {
				t.Errorf("the folds validate on %v, want each of %v once", validated, all)
			}
			if slices.Sort(sizes); strings.Join(sizes, " ") != "2 3 3 3" {
				t.Errorf("folds of %v images, want 2 3 3 3", sizes)
			}
		})
	}
}

// A split once made is made so for ever.
func TestFoldsStay(t *testing.T) {
	c := named(t, "a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
	c.Folds = 3
	var got []string
	for c.Fold = range 3 {
		got = append(got, strings.Join(namesOf(t, c, 42, "val"), ""))
	}
	c.Folds, c.Fold, c.ValFraction = 0, 0, 0.3
	got = append(got, strings.Join(namesOf(t, c, 42, "val"), ""))
	if want := "bhij acg def egj"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// Images of a group are never parted, neither by folds nor by val_fraction.
func TestGroups(t *testing.T) {
	var names []string
	for patient, slices := range map[string]int{"p1": 7, "p2": 1, "p3": 3, "p4": 2, "p5": 2, "p6": 3} {
		for i := range slices {
			names = append(names, fmt.Sprintf("%s_%02d", patient, i))
		}
	}
	for _, pattern := range []string{"^(p.)_", "^p.", "^(?:p)(.)"} {
		c := named(t, names...)
		c.Group = pattern
		patients := func(split string) []string {
			found := map[string]int{}
			for _, name := range namesOf(t, c, 7, split) {
				found[name[:2]]++
			}
			return slices.Sorted(maps.Keys(found))
		}
		parted := func() {
			t.Helper()
			train, val := patients("train"), patients("val")
			if both := slices.Sorted(slices.Values(slices.Concat(train, val))); len(both) != 6 || len(slices.Compact(both)) != 6 {
				t.Errorf("%s: folds %d, fold %d: trains on %v, validates on %v", pattern, c.Folds, c.Fold, train, val)
			}
		}
		c.Folds = 3
		var sizes []int
		for c.Fold = range 3 {
			parted()
			sizes = append(sizes, len(namesOf(t, c, 7, "val")))
		}
		if slices.Sort(sizes); !slices.Equal(sizes, []int{5, 6, 7}) { // 7; 3 + 2 + 1, 3 + 2
			t.Errorf("%s: folds of %v images, want 5, 6 and 7", pattern, sizes)
		}
		c.Folds, c.Fold = 0, 0
		for fraction, most := range map[float64]int{0.01: 1, 0.4: 7, 0.99: 17} {
			c.ValFraction = fraction
			parted()
			if n := len(namesOf(t, c, 7, "val")); n > most {
				t.Errorf("%s: val_fraction %v of 18 takes %d images, want at most %d", pattern, fraction, n, most)
			}
		}
	}
}

func TestDivideErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *data.Config)
		want   string
	}{
		{"more folds than images", func(c *data.Config) { c.Folds = 5 }, "has 4 images, want at least data.folds = 5"},
		{"more folds than groups", func(c *data.Config) { c.Folds, c.Group = 3, "^(.)_" }, "has 2 groups by data.group, want at least data.folds = 3"},
		{"one group", func(c *data.Config) { c.Group = "_" }, "has 1 group by data.group, too few to split off validation images: set data.val, or add images"},
		{"no group", func(c *data.Config) { c.Folds, c.Group = 2, "a_" }, `data.group = "a_" does not match b_3, b_4`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := named(t, "a_1", "a_2", "b_3", "b_4")
			tt.change(&c)
			for _, split := range []string{"train", "val"} {
				if _, err := data.Open(c, 1, split); filetest.Message(err) != "data: "+c.Train+": "+tt.want {
					t.Errorf("%s: got %v\nwant %s", split, err, tt.want)
				}
			}
		})
	}
	c := data.DefaultConfig()
	c.Folds = 300
	if _, err := data.Open(c, 1, "val"); filetest.Message(err) != "data: synthetic: has 256 images, want at least data.folds = 300" {
		t.Error(err)
	}
}
