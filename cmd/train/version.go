package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/unet-gorgonia/unet-gorgonia/internal/kernel"
)

func (p *program) version() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print what the program was built from, and the instruction set it uses on this machine",
		Example: p.named("  PROGRAM version --json"),
		Args:    noArguments,
		RunE:    func(*cobra.Command, []string) error { return p.runVersion(asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (p *program) runVersion(asJSON bool) error {
	b, err := newBuild()
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(p.stdout, b)
	}
	_, err = fmt.Fprintln(p.stdout, p.name, b)
	return err
}

// revision is for builds outside a git checkout, such as that of the image:
// -ldflags "-X main.revision=..." sets it.
var revision string

// build is the JSON of `version`.
type build struct {
	Version  string `json:"version"`  // of the module; (devel) where it is not known
	Revision string `json:"revision"` // of git; empty where it is not known
	Modified bool   `json:"modified"` // since that revision
	Go       string `json:"go"`
	System   string `json:"system"`
	Kernel   string `json:"kernel"` // that kernel: auto chooses on this CPU
}

func newBuild() (build, error) {
	engine, err := kernel.NewEngine(1, "auto")
	if err != nil {
		return build{}, err
	}
	b := build{Version: "(devel)", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Kernel: engine.Kernel()}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	b.Revision, b.Modified = source()
	return b, nil
}

// source is the revision of git that the program was built from, empty where it is
// not known, and whether it was modified since.
func source() (commit string, modified bool) {
	commit = revision
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return commit, false
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			commit = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	return commit, modified
}

// shortSource is source in a word, for the report of a run.
func shortSource() string {
	commit, modified := source()
	commit = commit[:min(len(commit), 12)]
	if modified {
		commit += " (modified)"
	}
	return commit
}

// String is one line, without the program's name.
func (b build) String() string {
	revision := b.Revision
	if revision == "" {
		revision = "unknown"
	}
	if b.Modified {
		revision += " (modified)"
	}
	return fmt.Sprintf("%s, revision %s, %s %s, kernel %s", b.Version, revision, b.Go, b.System, b.Kernel)
}
