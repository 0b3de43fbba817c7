package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// renamed is the program under another name, as a user may build or link it. It
// returns what was printed and the exit code.
func renamed(t *testing.T, name string) func(args ...string) (stdout, stderr string, code int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return func(args ...string) (string, string, int) {
		t.Helper()
		cmd := exec.Command(path, args...)
		cmd.Env = append(os.Environ(), asProgram+"=1")
		var stdout, stderr strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
	}
}

// commandLine is a command line of the program under the name of its folder.
var commandLine = regexp.MustCompile(`(?m)^train: \S|(^|[\s(>])train( --?[a-z]| \[| (init|check|weights|augment|evaluate|predict|report|inspect|export|import|synth|bench|schema|completion|version)\b)`)

// The program has the name that it was started by, wherever it says one.
func TestRenamed(t *testing.T) {
	inFolder(t)
	unet := renamed(t, "unet")
	shown := func(what, text, want string) {
		t.Helper()
		if !strings.Contains(text, want) {
			t.Errorf("%s lacks %q:\n%s", what, want, text)
		}
		if other := commandLine.FindString(text); other != "" {
			t.Errorf("%s has %q:\n%s", what, other, text)
		}
	}
	for _, cmd := range commands((&program{name: "train"}).root()) {
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		help, _, _ := unet(args...)
		shown(strings.Join(args, " "), help, strings.Join(append([]string{"unet"}, args[:len(args)-1]...), " "))
	}

	_, stderr, code := unet("evaluate", "--chekpoint", "x")
	if code != exitUsage {
		t.Errorf("exit code %d, want %d", code, exitUsage)
	}
	shown("an error", stderr, "unet: unknown flag: --chekpoint; see unet evaluate --help\n")

	for _, args := range [][]string{{"version"}, {"--version"}} {
		stdout, _, _ := unet(args...)
		shown(args[0], stdout, "unet ")
	}

	must(t, "synth", "--out", "set", "--count", "5")
	stdout, _, _ := unet("init", "--data", "set", "--out", "set.yaml")
	shown("init", stdout, "unet --config set.yaml")
	shown("what init writes", read(t, "set.yaml"), "unet check --config set.yaml")

	if _, stderr, code := unet(tiny("--set", "report.pictures=true", "--epochs", "1", "--quiet", "--set", "loss.class_weights=none")...); code != 0 {
		t.Fatal(stderr)
	}
	shown("the page", read(t, "run/report.html"), "<pre>unet --config ")
	if _, stderr, code := renamed(t, "net")("report", "--out", "run"); code != 0 {
		t.Fatal(stderr)
	}
	shown("the page drawn anew", read(t, "run/report.html"), "<pre>net --config ")
}

// A build outside a git checkout tells the revision that it was given.
func TestRevision(t *testing.T) {
	path := filepath.Join(t.TempDir(), "unet")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-ldflags", "-X main.revision=abc123", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(path, "--version").Output()
	if err != nil || !strings.HasPrefix(string(out), "unet ") || !strings.Contains(string(out), "revision abc123,") {
		t.Errorf("got %q, %v", out, err)
	}
}
