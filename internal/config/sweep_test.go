package config_test

import (
	"strings"
	"testing"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
)

func TestVariants(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  []string
		want string // name: key=value key=value, of each, or the error
	}{
		{"nothing", nil, ": "},
		{"one value", []string{"seed=1"}, ": seed=1"},
		{"product", []string{"optimizer.lr=0.001,0.003", "train.epochs=5", "seed=1, 2"},
			"lr=0.001,seed=1: optimizer.lr=0.001 train.epochs=5 seed=1; lr=0.001,seed=2: optimizer.lr=0.001 train.epochs=5 seed=2; " +
				"lr=0.003,seed=1: optimizer.lr=0.003 train.epochs=5 seed=1; lr=0.003,seed=2: optimizer.lr=0.003 train.epochs=5 seed=2"},
		{"lists", []string{"data.size=[64, 64],[32,32]"}, "size=64-64: data.size=[64, 64]; size=32-32: data.size=[32,32]"},
		{"a list alone", []string{"data.size=[64, 64]"}, ": data.size=[64, 64]"},
		{"nested", []string{"data.augment={scale: [1, 2], hue: 0},{}"}, "augment=scale-1-2-hue-0: data.augment={scale: [1, 2], hue: 0}; augment=none: data.augment={}"},
		{"quotes", []string{`data.group='a,(b',"c,d"`}, `group=a-b: data.group='a,(b'; group=c-d: data.group="c,d"`},
		{"an apostrophe", []string{"data.train=it's,x"}, "train=it-s: data.train=it's; train=x: data.train=x"},
		{"parentheses", []string{"data.group=^(a{1,2})"}, ": data.group=^(a{1,2})"},
		{"paths", []string{"model.init=a/b.pth,,-1"}, "init=a-b.pth: model.init=a/b.pth; init=none: model.init=; init=-1: model.init=-1"},
		{"equal ends", []string{"data.folds=2,3", "a.folds=4,5"}, "data.folds=2,a.folds=4: data.folds=2 a.folds=4; data.folds=2,a.folds=5: data.folds=2 a.folds=5; data.folds=3,a.folds=4: data.folds=3 a.folds=4; data.folds=3,a.folds=5: data.folds=3 a.folds=5"},
		{"equals sign in a value", []string{"data.train=a=b,c"}, "train=a-b: data.train=a=b; train=c: data.train=c"},
		{"unbalanced", []string{"data.size=],[1,2"}, "size=none: data.size=]; size=1-2: data.size=[1,2"},
		{"no value", []string{"seed"}, "--set seed: want key=value,value"},
		{"twice", []string{"seed=1", "seed=2"}, "--set seed=2: seed is given twice, want all of its values in one --set"},
		{"the same value", []string{"seed=1,1"}, "seed=1 and seed=1 are both called seed=1, want values that differ in letters and digits"},
		{"alike", []string{"out=a/b,a b"}, "out=a/b and out=a b are both called out=a-b, want values that differ in letters and digits"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			all, err := config.Variants(tc.set)
			var parts []string
			for _, v := range all {
				parts = append(parts, v.Name+": "+strings.Join(v.Set, " "))
			}
			got := strings.Join(parts, "; ")
			if err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}
