//go:build !amd64

package kernel

// instructionSets lists what this program knows, best first.
func instructionSets() []*instructionSet {
	return []*instructionSet{
		{name: "avx512", missing: "AVX-512 (amd64)"},
		{name: "avx2", missing: "AVX2 and FMA (amd64)"},
		generic,
		{name: "bfloat16", missing: "AVX-512 and AMX for bfloat16 (amd64)"},
	}
}
