//go:build !amd64

package simd

// InstructionSets lists what this program knows, best first.
func InstructionSets() []*InstructionSet {
	return []*InstructionSet{
		{Name: "avx512", Missing: "AVX-512 (amd64)"},
		{Name: "avx2", Missing: "AVX2 and FMA (amd64)"},
		generic,
	}
}
