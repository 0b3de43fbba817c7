// Package config gathers the program's configuration from its five origins
// and checks it as a whole. Later origins win:
//
//	default < file < environment < --set < dedicated flags
//
// The Config is made of the Config types that the packages own, and of the sections
// that belong to none; their yaml tags are the keys. A value from the environment (UNET_DATA_VAL_FRACTION=0.2
// for data.val_fraction) or from --set is written as in the file, in YAML. An
// unknown or duplicate key, a wrong type and a value out of range are errors that
// name the key, where it was given, and the value; all of them are reported at once.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/unet-gorgonia/unet-gorgonia/data"
	"github.com/unet-gorgonia/unet-gorgonia/internal/checkpoint"
	"github.com/unet-gorgonia/unet-gorgonia/internal/solver"
	"github.com/unet-gorgonia/unet-gorgonia/loss/scheme"
	"github.com/unet-gorgonia/unet-gorgonia/model/arch"
)

// Config is the whole configuration of a run.
type Config struct {
	// Seed is the origin of every random number: weights, data order, augmentation, synthetic images.
	Seed uint64 `yaml:"seed"`
	// Out is the run folder.
	Out string `yaml:"out"`
	// Threads is the number of threads of the ops, >= 0; 0 is one per core.
	Threads int `yaml:"threads" range:"[0,1024]"`
	// Kernel is the instruction set of the ops: "auto" (the best the CPU has), "avx512", "avx2" or "generic".
	Kernel string `yaml:"kernel" enum:"auto,avx512,avx2,generic"`
	// Precision is that of the operands of convolutions: "float32", or "bfloat16", which is less exact.
	Precision  string                `yaml:"precision" enum:"float32,bfloat16"`
	Data       data.Config           `yaml:"data"`
	Model      arch.Config           `yaml:"model"`
	Loss       scheme.Config         `yaml:"loss"`
	Optimizer  solver.Config         `yaml:"optimizer"`
	Schedule   solver.ScheduleConfig `yaml:"schedule"`
	Train      Train                 `yaml:"train"`
	Checkpoint checkpoint.Config     `yaml:"checkpoint"`
	Report     Report                `yaml:"report"`
	MPI        MPI                   `yaml:"mpi"`
}

// Default is the configuration of a run for which nothing is given.
func Default() Config {
	return Config{
		Seed:       42,
		Out:        "runs/unet",
		Kernel:     "auto",
		Precision:  "float32",
		Data:       data.DefaultConfig(),
		Model:      arch.DefaultConfig(),
		Loss:       scheme.DefaultConfig(),
		Optimizer:  solver.DefaultConfig(),
		Schedule:   solver.DefaultScheduleConfig(),
		Train:      Train{Epochs: 10, BatchSize: 8, Accumulate: 1},
		Checkpoint: checkpoint.DefaultConfig(),
		Report:     Report{Pictures: true},
		MPI:        MPI{Timeout: 600},
	}
}

// Validate reports every value out of range and every pair of values that do not fit each other.
func (c Config) Validate() error {
	var errs []error
	if c.Out == "" {
		errs = append(errs, errors.New(`out = "", want the run folder`))
	}
	if strings.HasPrefix(c.Out, "~/") {
		errs = append(errs, fmt.Errorf("out = %q, want a path without ~, which stands for the home folder only where a shell has replaced it; ./%s for a folder of that name", c.Out, c.Out))
	}
	if !utf8.ValidString(c.Out) {
		errs = append(errs, fmt.Errorf("out = %q, want a name in UTF-8: config.yaml and checkpoints hold it", c.Out))
	}
	if c.Threads < 0 || c.Threads > 1024 {
		errs = append(errs, fmt.Errorf("threads = %d, want 0 (all cores) to 1024", c.Threads))
	}
	switch c.Kernel {
	case "auto", "avx512", "avx2", "generic":
	case "bfloat16":
		errs = append(errs, errors.New(`kernel = "bfloat16", want auto, avx512, avx2 or generic; bfloat16 has a key of its own: precision: bfloat16`))
	default:
		errs = append(errs, fmt.Errorf("kernel = %q, want auto, avx512, avx2 or generic", c.Kernel))
	}
	if c.Precision != "float32" && c.Precision != "bfloat16" {
		errs = append(errs, fmt.Errorf("precision = %q, want float32 or bfloat16", c.Precision))
	}
	errs = append(errs, c.Data.Validate(), c.Model.Validate(), c.Loss.Validate(len(c.Data.Classes)),
		c.Optimizer.Validate(), c.Schedule.Validate(), c.Train.Validate(), c.Checkpoint.Validate(), c.MPI.Validate())
	if c.Model.Validate() == nil && c.Data.Size[0] > 0 && c.Data.Size[1] > 0 {
		errs = append(errs, c.Model.CheckSize(c.Data.Size[0], c.Data.Size[1]))
	}
	return errors.Join(errs...)
}

// YAML is the configuration with every key; Parse reads it back to the same Config.
func (c Config) YAML() []byte {
	var doc yaml.Node
	err := doc.Encode(c)
	flowLists(&doc)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err = errors.Join(err, enc.Encode(&doc), enc.Close()); err != nil {
		panic(err) // a Config holds only numbers, strings and lists
	}
	return b.Bytes()
}

// flowLists writes lists on one line: size: [128, 128].
func flowLists(n *yaml.Node) {
	if n.Kind == yaml.SequenceNode {
		n.Style = yaml.FlowStyle
	}
	for _, child := range n.Content {
		flowLists(child)
	}
}

// Options says where values come from besides the defaults.
type Options struct {
	// File is the --config argument, looked up as FindFile does; empty for none.
	File string
	// Environ holds NAME=value pairs as os.Environ returns them; only names beginning with UNET_ are
	// looked at, and an empty value stands for an unset variable.
	Environ []string
	// Set holds the key=value arguments of --set, in order.
	Set []string
	// Flags holds the dedicated flags that were given.
	Flags []Flag
}

// Flag is a dedicated flag that sets a key, such as --epochs for train.epochs.
type Flag struct {
	Name, Key string
	Value     any // of the key's type, taken as it is
}

// Load merges the origins and validates the whole.
func Load(o Options) (Config, error) {
	m := newMerge()
	var errs []error
	if o.File != "" {
		path, err := FindFile(o.File)
		if err != nil {
			return Config{}, err
		}
		doc, err := readFile(path)
		if err != nil {
			return Config{}, err
		}
		errs = append(errs, m.file(path, doc))
	}
	for _, pair := range o.Environ {
		if name, value, ok := strings.Cut(pair, "="); ok && value != "" && strings.HasPrefix(name, envPrefix) {
			errs = append(errs, m.env(name, value))
		}
	}
	for _, pair := range o.Set {
		errs = append(errs, m.set(pair))
	}
	for _, f := range o.Flags {
		errs = append(errs, m.flag(f))
	}
	// Values that could not be read keep their former value, so the rest can still be validated.
	c, err := m.config()
	return c, errors.Join(append(errs, err)...)
}

// Override lays key=value arguments of --set over a configuration and validates the whole.
func Override(c Config, set []string) (Config, error) {
	if len(set) == 0 {
		return c, nil
	}
	m := newMerge()
	errs := []error{m.file("configuration", c.YAML())}
	for _, pair := range set {
		errs = append(errs, m.set(pair))
	}
	c, err := m.config()
	return c, errors.Join(append(errs, err)...)
}

// Parse reads a configuration stored as YAML, such as a checkpoint's; name stands for it in errors.
func Parse(name string, doc []byte) (Config, error) {
	m := newMerge()
	errFile := m.file(name, doc)
	m.splitPrecision()
	c, err := m.config()
	return c, errors.Join(errFile, err)
}

// FindFile is the path of the configuration file that name stands for: name
// itself, or name in configs/, with or without .yaml.
func FindFile(name string) (string, error) {
	candidates := []string{name}
	if !filepath.IsAbs(name) {
		candidates = append(candidates, filepath.Join("configs", name))
		if filepath.Ext(name) == "" {
			candidates = append(candidates, filepath.Join("configs", name+".yaml"))
		}
	}
	for _, path := range candidates {
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	return "", fmt.Errorf("config %s: no such file; looked at %s", name, strings.Join(candidates, ", "))
}

// maxFile bounds a configuration file, in bytes.
const maxFile = 1 << 20

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	defer f.Close()
	doc, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if len(doc) > maxFile {
		return nil, fmt.Errorf("config %s: more than %d bytes, too large for a configuration file", path, maxFile)
	}
	return doc, nil
}
