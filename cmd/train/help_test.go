package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// commands are all commands of the program that are its own.
func commands(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, c := range cmd.Commands() {
		all = append(all, commands(c)...)
	}
	return all
}

// examples are the command lines of a command's help, each without the `train`
// at its beginning and what the shell does with its output.
func examples(cmd *cobra.Command) (lines [][]string) {
	for line := range strings.Lines(cmd.Example) {
		line, _, _ = strings.Cut(line, " > ")
		line, _, _ = strings.Cut(line, " | ")
		line = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "source <("), ")")
		lines = append(lines, strings.Fields(line))
	}
	return lines
}

// Every command says what it does, with an example of which all flags are right.
func TestHelp(t *testing.T) {
	for _, cmd := range commands((&program{name: "train"}).root()) {
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			if cmd.Short == "" || cmd.Example == "" {
				t.Fatalf("Short is %q, Example %q, want both", cmd.Short, cmd.Example)
			}
			help := must(t, append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
			if !strings.Contains(help, cmd.Example) {
				t.Errorf("--help lacks the example:\n%s", help)
			}
			for _, words := range examples(cmd) {
				if words[0] != "train" {
					t.Errorf("%v: want it to begin with train", words)
				}
				found, args, err := (&program{name: "train"}).root().Find(words[1:])
				if err != nil {
					t.Errorf("%v: %v", words, err)
					continue
				}
				if err := found.ParseFlags(args); err != nil {
					t.Errorf("%v: %v", words, err)
				}
				if err := found.ValidateArgs(found.Flags().Args()); err != nil {
					t.Errorf("%v: %v", words, err)
				}
			}
		})
	}
}

// Examples that need neither data nor long do what they say.
func TestExamples(t *testing.T) {
	configs, err := os.ReadFile("../../configs/unet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	write(t, "configs/unet.yaml", string(configs))
	for _, cmd := range commands((&program{name: "train"}).root()) {
		if slices.Contains([]string{"completion", "schema", "synth", "version", "weights"}, cmd.Name()) {
			for _, words := range examples(cmd) {
				if must(t, words[1:]...) == "" {
					t.Errorf("%v prints nothing", words)
				}
			}
		}
	}
}

// The program can tell what it was built from.
func TestVersion(t *testing.T) {
	var b build
	decode(t, must(t, "version", "--json"), &b)
	if !strings.HasPrefix(b.Go, "go1.") || !strings.Contains(b.System, "/") || b.Kernel == "" || b.Kernel == "auto" {
		t.Errorf("got %+v", b)
	}
	if got := must(t, "version"); got != "train "+b.String()+"\n" || !strings.Contains(got, "kernel "+b.Kernel) {
		t.Errorf("got %q", got)
	}
	for _, tc := range []struct {
		b    build
		want string
	}{
		{build{"v1.2.3", "abc", false, "go1.26", "linux/arm64", "generic"}, "v1.2.3, revision abc, go1.26 linux/arm64, kernel generic"},
		{build{"(devel)", "abc", true, "go1.26", "linux/amd64", "avx2"}, "(devel), revision abc (modified), go1.26 linux/amd64, kernel avx2"},
		{build{"(devel)", "", false, "go1.26", "linux/amd64", "avx2"}, "(devel), revision unknown, go1.26 linux/amd64, kernel avx2"},
	} {
		if got := tc.b.String(); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
}
