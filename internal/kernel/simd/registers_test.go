package simd

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The loops for AVX2 use none of the registers that only AVX-512 has. The CPU
// of this test may have both, and would not tell.
func TestRegistersOfAVX2(t *testing.T) {
	source, err := os.ReadFile("kernels_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	foreign := regexp.MustCompile(`\b(Z\d+|K[0-7]|[XY](1[6-9]|2\d|3[01]))\b`)
	functions := 0
	for text := range strings.SplitSeq(string(source), "\nTEXT ") {
		name, _, _ := strings.Cut(text, "(SB)")
		if !strings.Contains(name, "AVX2") {
			continue
		}
		functions++
		if r := foreign.FindString(text); r != "" {
			t.Errorf("%s uses %s", name, r)
		}
	}
	if functions == 0 {
		t.Error("no function for AVX2 found")
	}
}
