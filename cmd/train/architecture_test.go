package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/unet-gorgonia/unet-gorgonia/"

// arrows are the packages of this module that each package may import. They go
// down only; the list is in the order of the layers, the highest first.
var arrows = []struct{ from, to string }{
	{"cmd/train", "internal/run internal/world internal/hub internal/bench internal/config internal/report internal/predict internal/train internal/onnx internal/pytorch internal/annotation data loss internal/kernel internal/metric internal/checkpoint internal/durable internal/imagefile internal/survey internal/doctor internal/abridge"},
	{"internal/run", "internal/world internal/suspect internal/event internal/doctor internal/solver internal/durable internal/hub internal/pretrained model/arch internal/config internal/survey internal/report internal/predict internal/train internal/imagefile internal/metric data model loss internal/kernel internal/checkpoint internal/abridge"},
	{"internal/bench", "internal/train model loss internal/solver internal/op internal/kernel"},
	{"internal/survey", "internal/config model/arch data loss/scheme internal/imagefile internal/visit internal/abridge"},
	{"internal/doctor", "internal/config data internal/abridge"},
	{"internal/annotation", "internal/durable internal/imagefile internal/visit"},
	{"internal/config", "configs data model/arch loss/scheme internal/solver internal/checkpoint"},
	{"internal/report", "internal/suspect internal/event data internal/imagefile internal/metric internal/protobuf internal/durable"},
	{"internal/train", "internal/world internal/event internal/predict data internal/imagefile model model/arch internal/op internal/kernel internal/solver internal/metric internal/checkpoint"},
	{"internal/event", "internal/imagefile internal/metric"},
	{"internal/pretrained", "model/arch internal/checkpoint internal/abridge"},
	{"internal/pytorch", "model/arch internal/imagefile"},
	{"internal/onnx", "model model/arch internal/imagefile internal/protobuf"},
	{"model", "model/arch internal/predict internal/checkpoint internal/imagefile internal/op internal/kernel internal/abridge"},
	{"internal/predict", "internal/imagefile"},
	{"loss", "loss/scheme internal/op"},
	{"internal/op", "internal/kernel internal/kernel/memory"},
	{"internal/solver", "internal/kernel internal/kernel/memory"},
	{"internal/kernel", "internal/kernel/simd internal/kernel/parallel internal/kernel/memory"},
	{"internal/kernel/simd/asm", "internal/kernel/simd"}, // generates assembly
	{"internal/kernel/simd", "internal/float16"},
	{"internal/kernel/parallel", ""},
	{"internal/kernel/memory", ""},
	{"internal/metric", "internal/imagefile"},
	{"internal/suspect", "internal/imagefile"},
	{"internal/protobuf", ""},
	{"model/arch", ""},
	{"loss/scheme", ""},
	{"internal/checkpoint", "internal/durable internal/float16"},
	{"internal/hub", "internal/durable"},
	{"internal/world/worldtest", "internal/world"}, // runs processes as goroutines of a test
	{"internal/world", ""},
	{"data", "internal/imagefile internal/durable internal/visit internal/abridge"},
	{"internal/imagefile", "internal/float16 internal/durable internal/abridge"},
	{"internal/imagefile/filetest", ""}, // makes files for tests
	{"internal/visit", ""},
	{"internal/durable", "internal/abridge"},
	{"internal/abridge", ""},
	{"internal/float16", ""},
	{"configs", ""},
}

// only are libraries that few packages may import.
var only = []struct{ library, users string }{
	{"github.com/google/renameio/v2", "internal/durable"},
	{"github.com/spf13/viper", "internal/config"},
	{"github.com/spf13/cobra", "cmd/train"},
	{"gorgonia.org/gorgonia", "internal/op internal/train model loss"},
	{"gorgonia.org/tensor", "internal/op"},
	{"gonum.org/v1/plot", "internal/report"},
}

// without are libraries that packages must not depend on, not even by way of others.
var without = []struct{ from, library string }{
	{"internal/config", "gorgonia.org/"},
	{"internal/config", "gonum.org/v1/plot"},
	{"internal/report", "gorgonia.org/"},
	{"internal/event", "gorgonia.org/"},
	{"internal/solver", "gorgonia.org/"},
	{"internal/metric", "gorgonia.org/"},
	{"internal/suspect", "gorgonia.org/"},
	{"internal/checkpoint", "gorgonia.org/"},
	{"internal/annotation", "gorgonia.org/"},
	{"internal/doctor", "gorgonia.org/"},
	{"internal/hub", "gorgonia.org/"},
	{"internal/pretrained", "gorgonia.org/"},
	{"data", "gorgonia.org/"},
	{"model/arch", "gorgonia.org/"},
	{"loss/scheme", "gorgonia.org/"},
}

type goPackage struct {
	ImportPath string
	Standard   bool
	Imports    []string
	CgoFiles   []string
}

func list(t *testing.T, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Standard,Imports,CgoFiles"}, args...)...)
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var all []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p goPackage
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestArrows(t *testing.T) {
	level := map[string]int{}
	for i, a := range arrows {
		level[a.from] = i
	}
	for i, a := range arrows {
		for _, to := range strings.Fields(a.to) {
			if below, ok := level[to]; !ok || below <= i {
				t.Errorf("the arrow %s -> %s does not go down", a.from, to)
			}
		}
	}
	seen := 0
	for _, p := range list(t, "./...") {
		name := strings.TrimPrefix(p.ImportPath, module)
		i, ok := level[name]
		if !ok {
			t.Errorf("package %s has no place in the arrows", name)
			continue
		}
		seen++
		for _, path := range p.Imports {
			if to, ours := strings.CutPrefix(path, module); ours && !slices.Contains(strings.Fields(arrows[i].to), to) {
				t.Errorf("%s imports %s, against the arrows", name, to)
			}
			for _, o := range only {
				if path == o.library && !slices.Contains(strings.Fields(o.users), name) {
					t.Errorf("%s imports %s, which only %s may", name, path, o.users)
				}
			}
		}
	}
	if seen != len(arrows) {
		t.Errorf("%d packages found, the arrows have %d", seen, len(arrows))
	}
}

func TestWithout(t *testing.T) {
	for _, w := range without {
		for _, p := range list(t, "-deps", "./"+w.from) {
			if strings.HasPrefix(p.ImportPath, w.library) {
				t.Errorf("%s depends on %s", w.from, p.ImportPath)
			}
		}
	}
}

// Files are written by package durable only: whole, and never through a link or over
// what a command reads.
func TestOneWriter(t *testing.T) {
	writes := []string{"Create", "CreateTemp", "Link", "OpenFile", "Rename", "Symlink", "Truncate", "WriteFile"}
	seen := 0
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		dir := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), "../../"))
		switch {
		case err != nil || e.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return err
		case dir == "internal/durable", dir == "internal/imagefile/filetest", dir == "internal/kernel/simd/asm": // the last two are no part of the program
			return nil
		}
		seen++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains(writes, s.Sel.Name) {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "os" {
					t.Errorf("%s calls os.%s, want package durable to write", path, s.Sel.Name)
				}
			}
			return true
		})
		return nil
	})
	if err != nil || seen < 100 {
		t.Errorf("%d files seen, %v", seen, err)
	}
}

func TestNoCgo(t *testing.T) {
	for _, p := range list(t, "-deps", "./cmd/train") {
		if !p.Standard && len(p.CgoFiles) > 0 {
			t.Errorf("%s needs cgo", p.ImportPath)
		}
	}
}
