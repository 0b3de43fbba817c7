package filetest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"testing"
)

// TIFF is a file to be written, in the kinds that scientific tools write. The zero
// value of what is optional is the plainest kind.
type TIFF struct {
	H, W    int
	Bits    int // of a sample: 1, 2, 4, 8, 12, 16, 32 or 64
	Samples int // of a pixel; 0: 1
	Values  []float64

	Big         bool // BigTIFF
	BigEndian   bool
	Photometric int // 0 white is zero, 1 black is zero, 2 RGB, 3 palette
	Format      int // 0 or 1 unsigned, 2 signed, 3 float
	Compression int // 0 or 1 none, 5 LZW, 8 deflate, 32773 PackBits; others are named only
	Predictor   int // 2 differences, 3 differences of floats
	Planes      bool
	Tile        int // side of tiles; 0: strips
	Rows        int // of a strip; 0: all
	Extra       []int
	Palette     [][3]uint8
	BytePalette bool // in 8 bits, as old writers have it, rather than 16
	Reversed    bool // bits within bytes
	Orientation int
	Description string
	Subfile     int // of the last page: 1 is a smaller copy
	Pages       int // of the same values; 0: 1
}

type tiffTag struct {
	tag, kind int // kind 2 text, 3 short, 4 long
	values    []int
}

// Bytes is the file.
func (f TIFF) Bytes(t testing.TB) []byte {
	t.Helper()
	f.Samples = max(f.Samples, 1)
	if len(f.Values) != f.H*f.W*f.Samples {
		t.Fatalf("%d values for %dx%d with %d samples", len(f.Values), f.W, f.H, f.Samples)
	}
	order := binary.AppendByteOrder(binary.LittleEndian)
	b := []byte("II")
	if f.BigEndian {
		order, b = binary.BigEndian, []byte("MM")
	}
	word := func(b []byte, v int) []byte { // an offset
		if f.Big {
			return order.AppendUint64(b, uint64(v))
		}
		return order.AppendUint32(b, uint32(v))
	}
	if f.Big {
		b = order.AppendUint16(b, 43)
		b = order.AppendUint16(b, 8)
		b = order.AppendUint16(b, 0)
	} else {
		b = order.AppendUint16(b, 42)
	}
	link := len(b) // where the offset of the next directory stands
	b = word(b, 0)
	pages := max(f.Pages, 1)
	for page := range pages {
		var offsets, counts []int
		for _, block := range f.blocks() {
			data := f.compress(t, f.pack(block, order))
			if f.Reversed {
				data = slices.Clone(data)
				for i, v := range data {
					data[i] = bits.Reverse8(v)
				}
			}
			offsets, counts = append(offsets, len(b)), append(counts, len(data))
			b = append(b, data...)
			if len(b)%2 == 1 {
				b = append(b, 0)
			}
		}
		tags := f.tags(offsets, counts)
		if page == pages-1 && f.Subfile > 0 {
			tags = append([]tiffTag{{254, 4, []int{f.Subfile}}}, tags...)
		}
		copy(b[link:], word(nil, len(b)))
		b, link = f.directory(b, tags, order, word)
	}
	return b
}

// directory appends a directory and says where its link to the next is.
func (f TIFF) directory(b []byte, tags []tiffTag, order binary.AppendByteOrder, word func([]byte, int) []byte) (file []byte, link int) {
	entry, inline := 12, 4
	if f.Big {
		entry, inline = 20, 8
	}
	if f.Big {
		b = order.AppendUint64(b, uint64(len(tags)))
	} else {
		b = order.AppendUint16(b, uint16(len(tags)))
	}
	end := len(b) + len(tags)*entry + inline
	var behind []byte
	for _, t := range tags {
		b = order.AppendUint16(b, uint16(t.tag))
		b = order.AppendUint16(b, uint16(t.kind))
		b = word(b, len(t.values))
		var v []byte
		for _, x := range t.values {
			switch t.kind {
			case 2:
				v = append(v, byte(x))
			case 3:
				v = order.AppendUint16(v, uint16(x))
			case 4:
				v = order.AppendUint32(v, uint32(x))
			}
		}
		if len(v) <= inline {
			b = append(b, append(v, make([]byte, inline-len(v))...)...)
			continue
		}
		b = word(b, end+len(behind))
		behind = append(behind, v...)
		if len(behind)%2 == 1 {
			behind = append(behind, 0)
		}
	}
	link = len(b)
	b = word(b, 0)
	return append(b, behind...), link
}

func (f TIFF) tags(offsets, counts []int) []tiffTag {
	same := func(v int) []int { return slices.Repeat([]int{v}, f.Samples) }
	tags := []tiffTag{
		{256, 4, []int{f.W}},
		{257, 4, []int{f.H}},
		{258, 3, same(f.Bits)},
		{259, 3, []int{max(f.Compression, 1)}},
		{262, 3, []int{f.Photometric}},
	}
	if f.Reversed {
		tags = append(tags, tiffTag{266, 3, []int{2}})
	}
	if f.Description != "" {
		var text []int
		for _, c := range []byte(f.Description + "\x00") {
			text = append(text, int(c))
		}
		tags = append(tags, tiffTag{270, 2, text})
	}
	if f.Tile == 0 {
		tags = append(tags, tiffTag{273, 4, offsets})
	}
	if f.Orientation > 0 {
		tags = append(tags, tiffTag{274, 3, []int{f.Orientation}})
	}
	tags = append(tags, tiffTag{277, 3, []int{f.Samples}})
	if f.Tile == 0 {
		tags = append(tags, tiffTag{278, 4, []int{f.rows()}}, tiffTag{279, 4, counts})
	}
	if f.Planes {
		tags = append(tags, tiffTag{284, 3, []int{2}})
	}
	if f.Predictor > 0 {
		tags = append(tags, tiffTag{317, 3, []int{f.Predictor}})
	}
	if f.Palette != nil {
		v := make([]int, 3<<f.Bits)
		for i, c := range f.Palette {
			for k, x := range c {
				v[k<<f.Bits+i] = int(x)
				if !f.BytePalette {
					v[k<<f.Bits+i] *= 257
				}
			}
		}
		tags = append(tags, tiffTag{320, 3, v})
	}
	if f.Tile > 0 {
		tags = append(tags, tiffTag{322, 4, []int{f.Tile}}, tiffTag{323, 4, []int{f.Tile}}, tiffTag{324, 4, offsets}, tiffTag{325, 4, counts})
	}
	if f.Extra != nil {
		tags = append(tags, tiffTag{338, 3, f.Extra})
	}
	if f.Format > 0 {
		tags = append(tags, tiffTag{339, 3, same(f.Format)})
	}
	return tags
}

func (f TIFF) rows() int {
	if f.Rows == 0 {
		return f.H
	}
	return f.Rows
}

// blocks are the values of the strips or tiles, rows of samples in each.
func (f TIFF) blocks() (blocks [][][]float64) {
	height, width := f.rows(), f.W
	if f.Tile > 0 {
		height, width = f.Tile, f.Tile
	}
	planes := [][2]int{{0, f.Samples}}
	if f.Planes {
		planes = nil
		for s := range f.Samples {
			planes = append(planes, [2]int{s, s + 1})
		}
	}
	for _, p := range planes {
		for y0 := 0; y0 < f.H; y0 += height {
			for x0 := 0; x0 < f.W; x0 += width {
				var block [][]float64
				for y := y0; y < y0+height && (y < f.H || f.Tile > 0); y++ {
					var row []float64
					for x := x0; x < x0+width; x++ {
						for s := p[0]; s < p[1]; s++ {
							v := 0.
							if y < f.H && x < f.W {
								v = f.Values[(y*f.W+x)*f.Samples+s]
							}
							row = append(row, v)
						}
					}
					block = append(block, row)
				}
				blocks = append(blocks, block)
			}
		}
	}
	return blocks
}

// pack lays the samples of rows into bytes.
func (f TIFF) pack(rows [][]float64, order binary.AppendByteOrder) (b []byte) {
	each := f.Samples
	if f.Planes {
		each = 1
	}
	if f.Predictor == 3 {
		order = binary.BigEndian
	}
	for _, row := range rows {
		var samples []uint64
		for _, v := range row {
			switch {
			case f.Format == 3 && f.Bits == 32:
				samples = append(samples, uint64(math.Float32bits(float32(v))))
			case f.Format == 3:
				samples = append(samples, math.Float64bits(v))
			default:
				samples = append(samples, uint64(int64(v)))
			}
		}
		if f.Predictor == 2 {
			for i := len(samples) - 1; i >= each; i-- {
				samples[i] -= samples[i-each]
			}
		}
		var line []byte
		var word, have uint64
		for _, v := range samples {
			switch f.Bits {
			case 8:
				line = append(line, uint8(v))
			case 16:
				line = order.AppendUint16(line, uint16(v))
			case 32:
				line = order.AppendUint32(line, uint32(v))
			case 64:
				line = order.AppendUint64(line, v)
			default:
				word, have = word<<f.Bits|v&(1<<f.Bits-1), have+uint64(f.Bits)
				for have >= 8 {
					have -= 8
					line = append(line, uint8(word>>have))
				}
			}
		}
		if have > 0 {
			line = append(line, uint8(word<<(8-have)))
		}
		if f.Predictor == 3 {
			size := f.Bits / 8
			mixed := make([]byte, len(line))
			for i := range samples {
				for k := range size {
					mixed[k*len(samples)+i] = line[i*size+k]
				}
			}
			for i := len(mixed) - 1; i >= each; i-- {
				mixed[i] -= mixed[i-each]
			}
			line = mixed
		}
		b = append(b, line...)
	}
	return b
}

func (f TIFF) compress(t testing.TB, b []byte) []byte {
	switch f.Compression {
	case 8:
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return z.Bytes()
	case 5: // codes of 9 bits only: the table is cleared before they grow
		var out []byte
		var word, have uint32
		emit := func(code uint32) {
			word, have = word<<9|code, have+9
			for have >= 8 {
				have -= 8
				out = append(out, uint8(word>>have))
			}
		}
		const clear, end = 256, 257
		for i, v := range b {
			if i%100 == 0 {
				emit(clear)
			}
			emit(uint32(v))
		}
		emit(end)
		return append(out, uint8(word<<(8-have)))
	case 32773: // a run of two and literals
		var out []byte
		for len(b) > 0 {
			if len(b) > 1 && b[0] == b[1] {
				out, b = append(out, 0xff, b[0]), b[2:]
				continue
			}
			out, b = append(out, 0, b[0]), b[1:]
		}
		return append(out, 0x80)
	}
	return b
}
