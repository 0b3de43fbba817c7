package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/unet-gorgonia/unet-gorgonia/internal/config"
)

func TestEveryKeyIsDescribed(t *testing.T) {
	for _, key := range config.Keys() {
		if key.Description == "" {
			t.Errorf("configs/unet.yaml does not say what %s means: give the key a line there, `name: value # meaning`", key.Name)
		}
	}
}

// jsonSchema is the schema as another program reads it.
func jsonSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.JSONSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("unet.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("unet.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// document is a YAML text as a JSON schema sees it.
func document(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestJSONSchema(t *testing.T) {
	s := jsonSchema(t)
	good := map[string][]byte{"defaults": config.Default().YAML()}
	files, err := filepath.Glob("../../configs/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		good[file] = text
	}
	for _, text := range []string{"loss: {class_weights: [1, 2.5, 0, 1]}", "loss: {class_weights: enet}", "data: {palette: [[0, 0, 255]]}", "threads: 2"} {
		good[text] = []byte(text)
	}
	for name, text := range good {
		if err := s.Validate(document(t, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{
		"epochs: 3", "train: {epoch: 3}", "data: {augment: {turn: 1}}", // unknown keys
		"train: 3", "train: {epochs: many}", "train: {epochs: 2.5}", "seed: -1", "out: [a]", "loss: {allow_absent_classes: 1}", // types
		"data: {size: [128]}", "data: {size: [1, 2, 3]}", "data: {palette: [[0, 0]]}", "data: {classes: [1]}",
		"loss: {class_weights: datasets}", "loss: {class_weights: [1, -1]}", "model: {norm: layer}", // values
	} {
		if s.Validate(document(t, []byte(text))) == nil {
			t.Errorf("the schema takes %s", text)
		}
	}
}

var (
	// between are keys whose values Validate also checks against each other, which a schema cannot.
	between = []string{"data.train", "data.val", "data.test", "data.source", "data.classes", "data.size", "data.max_pixels", "data.ignore_index",
		"data.palette", "data.mask_values", "data.rare_patches", "data.folds", "data.fold", "data.augment.scale", "model.depth", "loss.class_weights"}
	// texts are keys for which the program takes a number or true as the text that it is.
	texts = []string{"out", "data.train", "data.val", "data.test", "data.images", "data.masks", "data.image_suffix", "data.mask_suffix", "data.group", "data.classes", "model.init", "model.freeze"}
)

// The schema refuses what the program refuses and nothing else, at and around every bound.
func TestJSONSchemaAgreesWithValidation(t *testing.T) {
	s := jsonSchema(t)
	numbers := []string{"-1", "-0.5", "0", "0.05", "0.1", "0.5", "0.99", "1", "1.5", "2", "8", "9", "10", "11", "128", "180", "181", "255", "256", "1024", "1025", "100000"}
	var probes []string
	for _, n := range numbers {
		probes = append(probes, n, "["+n+", "+n+"]", "[[1, 2, "+n+"]]")
	}
	probes = append(probes, "true", `"no such word"`)
	for _, key := range config.Keys() {
		for _, value := range append(key.Values, probes...) {
			names := strings.Split(key.Name, ".")
			text := strings.Join(names, ": {") + ": " + value + strings.Repeat("}", len(names)-1)
			_, err := config.Parse("probe", []byte(text))
			bySchema := s.Validate(document(t, []byte(text)))
			switch {
			case err == nil && bySchema != nil && !slices.Contains(texts, key.Name):
				t.Errorf("%s: the program takes it, the schema does not: %v", text, bySchema)
			case err != nil && bySchema == nil && !slices.Contains(between, key.Name):
				t.Errorf("%s: the schema takes it, the program does not: give the field of %s in its Config an enum or range tag\n%v", text, key.Name, err)
			}
		}
	}
}

// What is written with comments is read as the same configuration.
func TestCommented(t *testing.T) {
	folder := config.Default()
	folder.Data.Source, folder.Data.Train, folder.Data.Val = "folder", "a folder: with #", "b"
	folder.Data.Classes = nil
	for i := range 30 {
		folder.Data.Classes = append(folder.Data.Classes, fmt.Sprintf("class_%d", i))
		folder.Data.Palette = append(folder.Data.Palette, [3]int{i, 2 * i, 3 * i})
	}
	for name, c := range map[string]config.Config{"default": config.Default(), "folder": folder} {
		got := c.Commented("A title\nof two lines")
		back, err := config.Parse(name, got)
		if err != nil {
			t.Fatalf("%v\n%s", err, got)
		}
		if string(back.YAML()) != string(c.YAML()) {
			t.Errorf("%s: wrote\n%s\nwhich is\n%s\nwant\n%s", name, got, back.YAML(), c.YAML())
		}
		if !bytes.HasPrefix(got, []byte("# A title\n# of two lines\n\nseed: 42 ")) {
			t.Errorf("%s: begins %q", name, got[:80])
		}
		for _, key := range config.Keys() {
			if skipped := name == "folder" && strings.HasPrefix(key.Name, "data.synthetic."); bytes.Contains(got, []byte("# "+key.Description+"\n")) == skipped {
				t.Errorf("%s: comment of %s: want %v\n%s", name, key.Name, !skipped, got)
			}
		}
	}
}
