package model_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// outside is a program of another module: a service that segments and one that
// counts, weighs and trains.
const outside = `package main

import (
	"context"
	"fmt"
	"image"
	"log"
	"math/rand/v2"
	"os"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/loss"
	"github.com/unet-gorgonia/unet-gorgonia/model"
)

func main() {
	log.SetFlags(0)
	segment()
	train()
}

func segment() {
	s, err := model.Open(os.Args[1])
	check(err)
	var mask *image.Paletted
	mask, err = s.Segment(image.NewGray(image.Rect(0, 0, 30, 20)))
	check(err)
	p, err := s.Probabilities(image.NewGray(image.Rect(0, 0, 30, 20)))
	check(err)
	fmt.Println(s.Classes(), len(s.Palette()), mask.Bounds(), len(p))
}

func train() {
	cfg := data.DefaultConfig()
	cfg.Size = [2]int{16, 16}
	cfg.Synthetic.Train = 4
	set, err := data.Open(cfg, 1, "train")
	check(err)
	counts, err := data.CountClasses(context.Background(), set, 1, nil)
	check(err)
	lossConfig := loss.DefaultConfig()
	lossConfig.AllowAbsentClasses = true
	weights, err := loss.Weights(lossConfig, counts.Pixels, counts.ImagePixels, cfg.Classes)
	check(err)

	arch := model.Config{BaseChannels: 2, Depth: 1, Norm: "batch", Up: "transpose"}
	params, err := model.NewParameters(arch, 3, 4, rand.New(rand.NewPCG(1, 0)))
	check(err)
	engine, err := model.NewEngine(1, "generic")
	check(err)
	first, last := steps(engine, params, loss.New(lossConfig, weights), set)
	fmt.Println(last < first)
}

func steps(engine *model.Engine, params *model.Parameters, l *loss.Loss, set *data.Split) (first, last float32) {
	var graph *model.Graph = model.NewGraph(engine)
	loader := data.NewLoader(set, data.LoaderConfig{BatchSize: 4})
	images, targets := make([]float32, 4*16*16*3), make([]float32, 4*16*16*4)
	net, err := model.New(graph, graph.Input("image", images, 4, 16, 16, 3), params, true, 1)
	check(err)
	value, _, err := l.Nodes(graph, net.Logits, graph.Input("target", targets, 4, 16, 16, 4), true)
	check(err)
	check(net.Differentiate(value))
	machine, err := graph.Compile(value)
	check(err)
	check(graph.Err())
	for epoch := range 10 {
		for batch, err := range loader.Epoch(context.Background(), epoch, 0) {
			check(err)
			copy(images, batch.Images)
			copy(targets, batch.Targets)
			graph.Step++
			check(machine.Run())
			if last = model.Values(value)[0]; epoch == 0 {
				first = last
			}
			for _, p := range params.All() {
				for i, g := range p.Grad {
					p.Value[i] -= 0.05 * g
				}
			}
			net.UpdateStatistics()
		}
	}
	return first, last
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
`

// Another module can use the public packages: it compiles and runs.
func TestOutside(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	// The same versions, so that nothing has to be fetched.
	const module = "github.com/unet-gorgonia/unet-gorgonia"
	text := regexp.MustCompile(`(?m)^(module .*|tool \([^)]*\)|tool .*)$`).ReplaceAllString(string(mod), "")
	text = "module example.org/outside\n" + text + "\nrequire " + module + " v0.0.0\n\nreplace " + module + " => " + root + "\n"
	dir := t.TempDir()
	for name, content := range map[string]string{"go.mod": text, "go.sum": string(sums), "main.go": outside} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "run", ".", filepath.Join(root, "model", "testdata", "shapes.safetensors"))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "GOOS=", "GOARCH=") // here, whatever runs the tests
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if want := "[background disc square triangle] 4 (0,0)-(30,20) 2400\ntrue\n"; string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
}
