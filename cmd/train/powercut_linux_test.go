package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// syscallLine is a line of strace -f -y: a call with the path of its file, complete or
// not, or the end of one that was interrupted by others.
var syscallLine = regexp.MustCompile(`^(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>.*)$`)

// quoted are the paths in the arguments of a call.
var quoted = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)

// ofFile is the file of a call's first argument.
var ofFile = regexp.MustCompile(`^\d+<([^>]*)>`)

// trace runs the program under strace and gives every call that changes files, in
// order: writes and renames when they begin, syncs when they have ended.
func trace(t *testing.T, each func(call, path string), args ...string) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	self, err := os.Executable()
	succeed(t, err)
	log := filepath.Join(t.TempDir(), "trace")
	flags := []string{"-f", "-y", "-s", "0", "-o", log, "-e", "trace=write,pwrite64,ftruncate,fsync,rename,renameat,renameat2", self}
	cmd := exec.Command(strace, append(flags, args...)...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	if said, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(said), "ptrace") {
			t.Skipf("strace may not trace here: %s", said)
		}
		t.Fatalf("%v\n%s", err, said)
	}
	syncing := map[string]string{} // file by thread
	for line := range strings.Lines(read(t, log)) {
		m := syscallLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue // an exit, or a signal
		}
		thread, call, arguments, resumed := m[1], m[2], m[3], m[4]
		switch {
		case resumed == "fsync":
			each("fsync", syncing[thread])
		case call == "fsync" && strings.Contains(arguments, "<unfinished"):
			syncing[thread] = ofFile.FindStringSubmatch(arguments)[1]
		case strings.HasPrefix(call, "rename"):
			paths := quoted.FindAllStringSubmatch(arguments, 2)
			each("rename", paths[0][1]+"\x00"+paths[1][1])
		case call != "":
			if file := ofFile.FindStringSubmatch(arguments); file != nil && filepath.IsAbs(file[1]) { // not a pipe
				each(call, file[1])
			}
		}
	}
}

// After a power cut there is only what was synced. Whenever it comes, no file has
// its final name before it is synced, and no checkpoint its name before all that was
// told up to it is; at the end all is.
func TestPowerCutLosesNothingThatACheckpointCountsOn(t *testing.T) {
	inFolder(t)
	here, err := os.Getwd()
	succeed(t, err)
	here, err = filepath.EvalSymlinks(here)
	succeed(t, err)
	unsynced := map[string]bool{} // files with writes, and folders with renames
	checkpoints := 0
	trace(t, func(call, path string) {
		absolute := func(path string) string {
			if !filepath.IsAbs(path) {
				path = filepath.Join(here, path)
			}
			return path
		}
		if call == "rename" {
			from, to, _ := strings.Cut(path, "\x00")
			from, to = absolute(from), absolute(to)
			if unsynced[from] {
				t.Errorf("%s has its name before it is synced", to)
			}
			if filepath.Base(filepath.Dir(to)) == "checkpoints" {
				checkpoints++
				for path := range unsynced {
					t.Errorf("%s is there before %s is synced", to, path)
				}
			}
			unsynced[filepath.Dir(to)] = true
			return
		}
		switch path = absolute(path); {
		case !strings.HasPrefix(path, here+"/"):
		case call == "fsync":
			delete(unsynced, path)
		default:
			unsynced[path] = true
		}
	}, tiny("--epochs", "3", "--set", "checkpoint.every_steps=1", "--set", "report.pictures=true")...)
	if checkpoints < 3*3 {
		t.Errorf("%d checkpoints were seen, want 9 or more", checkpoints)
	}
	for path := range unsynced {
		t.Errorf("%s is not synced at the end", path)
	}
}
