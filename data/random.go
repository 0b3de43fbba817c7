package data

import "math/rand/v2"

// What a random stream is for. It is part of the key, so that no two uses share a stream.
const (
	forOrder uint64 = iota + 1
	forAugment
	forValidation
	forSynthetic
	forRare
)

// random is the stream that belongs to a key. The words are mixed by the
// finaliser of SplitMix64 (Steele et al. 2014), so that keys which differ in one
// bit give unrelated streams.
func random(key ...uint64) *rand.Rand {
	var hi, lo uint64 = 0x9e3779b97f4a7c15, 0xd1b54a32d192ed03
	for _, k := range key {
		hi = mix(hi + k)
		lo = mix(lo ^ hi)
	}
	return rand.New(rand.NewPCG(hi, lo))
}

func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
