package main

import (
	"os"
	"strings"
	"testing"
)

// A run writes into a folder of its own, and a folder in which its files' names are
// taken is none: it is left as it is.
func TestRunFolderThatIsNone(t *testing.T) {
	for _, taken := range []string{"config.yaml", "metrics.csv", "log.jsonl", "report.html", "curves.png", "samples/a.png", "tensorboard/a", "checkpoints/mine.pt", "lock", "link"} {
		t.Run(taken, func(t *testing.T) {
			inFolder(t)
			write(t, "out/"+taken, "precious")
			if taken == "link" {
				succeed(t, os.Symlink("link", "out/config.yaml"))
			}
			before := contents(t, ".")
			for _, args := range [][]string{tiny("--out", "out"), tiny("--out", "out", "--resume", "auto")} {
				if o := command(t, args...); o.code != 2 || !strings.Contains(o.stderr, "choose another folder with --out") || strings.Count(o.stderr, "\n") != 1 {
					t.Errorf("exit code %d, want 2\n%s", o.code, o.stderr)
				}
			}
			if paths := changed(before, contents(t, ".")); len(paths) > 0 {
				t.Errorf("%v changed", paths)
			}
		})
	}
}

// A config.yaml that a person wrote or annotated is never replaced by the run that
// was started with it.
func TestOwnConfigIsKept(t *testing.T) {
	inFolder(t)
	must(t, tiny()...)
	const path = "run/config.yaml"
	resume := []string{"--config", path, "--resume", "auto"}
	must(t, append(resume, "--epochs", "3")...) // as the run wrote it
	if !strings.Contains(read(t, path), "epochs: 3") {
		t.Error("config.yaml does not say what the run was resumed with")
	}
	annotated := read(t, path) + "# mine\n"
	write(t, path, annotated)
	must(t, resume...) // says the same
	if o := command(t, append(resume, "--epochs", "4")...); o.code != 2 || !strings.Contains(o.stderr, "training would replace run/config.yaml, which no run wrote") {
		t.Errorf("exit code %d, want 2\n%s", o.code, o.stderr)
	}
	if got := read(t, path); got != annotated {
		t.Errorf("config.yaml is now\n%s", got)
	}
	must(t, tiny("--resume", "auto", "--epochs", "4")...)
	if !strings.Contains(read(t, path), "epochs: 4") {
		t.Error("config.yaml does not say what the run was resumed with")
	}
}

// What a run appends to or replaces in its folder is never written through a link.
func TestLinksInARunFolder(t *testing.T) {
	for _, name := range []string{"config.yaml", "metrics.csv", "log.jsonl"} {
		t.Run(name, func(t *testing.T) {
			inFolder(t)
			must(t, tiny()...)
			write(t, "precious", read(t, "run/"+name))
			before := read(t, "precious")
			succeed(t, os.Remove("run/"+name))
			succeed(t, os.Symlink("../precious", "run/"+name))
			o := command(t, tiny("--resume", "auto", "--epochs", "3")...)
			if o.code == 0 || !strings.Contains(o.stderr, "run/"+name+": is a symbolic link, which is not followed") {
				t.Errorf("exit code %d, want a failure\n%s", o.code, o.stderr)
			}
			if read(t, "precious") != before {
				t.Error("the file behind the link has changed")
			}
		})
	}
}

// A configuration that could not be read back is refused before the first step.
func TestConfigThatWouldNotReadBack(t *testing.T) {
	inFolder(t)
	before := contents(t, ".")
	check(t, command(t, tiny("--out", "r\xffun")...), 2, []string{`train: --out: out = "r\xffun", want a name in UTF-8: config.yaml and checkpoints hold it`})
	if paths := changed(before, contents(t, ".")); len(paths) > 0 {
		t.Errorf("%q written", paths)
	}
	const strange = "a \a: \"b'\u0085 # ü"
	must(t, tiny("--out", strange)...)
	must(t, "evaluate", "--checkpoint", strange+"/checkpoints/best.safetensors")
}

// A run never takes the place of another one's checkpoints: not when only the best is
// there, nor when it goes on from a checkpoint of another folder.
func TestCheckpointsOfAnotherRunAreKept(t *testing.T) {
	inFolder(t)
	must(t, tiny()...)
	must(t, tiny("--out", "other", "--set", "seed=7")...)
	write(t, "alone/checkpoints/best.safetensors", read(t, best))
	before := contents(t, ".")
	for _, args := range [][]string{
		tiny("--out", "other", "--resume", best, "--epochs", "5"),
		tiny("--out", "alone"),
		tiny("--out", "alone", "--resume", "auto"),
	} {
		o := command(t, append(args, "--quiet")...)
		if o.code != 2 || !strings.Contains(o.stderr, "choose another folder with --out") || strings.Count(o.stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, want 2\n%s", args, o.code, o.stderr)
		}
		if err := os.Remove("alone/lock"); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if paths := changed(before, contents(t, ".")); len(paths) > 0 {
			t.Errorf("%v: %v changed", args, paths)
		}
	}
}
