package checkpoint

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nlpodyssey/gopickle/pickle"
	"github.com/nlpodyssey/gopickle/types"
)

// What torch.save writes is a pickle, a program for a stack machine that makes
// dictionaries and calls functions by name, beside the bytes of storages, which
// tensors are views of:
//
//	zip     NAME/data.pkl, and NAME/data/KEY for each storage
//	legacy  five pickles (magic number, version, system, object, keys), then for
//	        each key its number of values, 8 bytes, and the values
//
// The machine here is gopickle's, which runs no code of the file: every name that it
// is asked for becomes a global, and calling one makes a view or an inert object. It
// does trust the lengths in a pickle, so measurePickle looks through it first. The
// files around the pickle are read here, since gopickle's own reader allocates what a
// storage claims to need before it looks whether that is there, takes no notice of
// byte order and checksums, and waits for ever on an empty file.

// Bounds of a pickle, of which a tensor needs some 200 bytes and 30 operations.
const (
	maxPickle     = 1 << 24 // bytes
	maxOperations = 1 << 19
)

// legacyMagic ends a pickle of the number 0x1950a86a20f9469cfc6c, of protocol 2 or later.
var legacyMagic = []byte("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.")

const zipMagic = "PK\x03\x04"

// isPyTorch reports whether a file that begins with head is one of torch.save, or a
// zip file at least.
func isPyTorch(head []byte) bool {
	return bytes.HasPrefix(head, []byte(zipMagic)) || isLegacy(head)
}

func isLegacy(head []byte) bool {
	return len(head) > 0 && head[0] == 0x80 && bytes.Contains(head, legacyMagic)
}

// unsupported is a fault of a file that PyTorch itself may be able to read.
type unsupported struct{ error }

// conversion are commands that write a file anew so that it can be read here.
func conversion(path string, err error) string {
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	if errors.As(err, new(unsupported)) {
		return fmt.Sprintf(`; to convert it: python3 -c 'import torch, safetensors.torch as s; s.save_file({k: v.clone().contiguous() for k, v in torch.load(%q, map_location="cpu").items()}, %q)'`,
			path, stem+".safetensors")
	}
	load := ""
	switch {
	case errors.Is(err, errWholeNet):
		load = "load"
	case errors.Is(err, errTorchScript):
		load = "jit.load"
	default:
		return ""
	}
	return fmt.Sprintf(`; to save its state_dict: python3 -c 'import torch; torch.save(torch.%s(%q, map_location="cpu").state_dict(), %q)'`, load, path, stem+".state_dict.pth")
}

var (
	errWholeNet    = errors.New("want its state_dict")
	errTorchScript = errors.New("a TorchScript program, want a state_dict")
)

// decodePyTorch reads the state_dict of a file of torch.save of size bytes: what it
// holds, or what it holds under one of stateDictKeys. It uses memory in proportion to
// size. Entries that are no tensors of whole bytes have no data.
func decodePyTorch(r io.ReaderAt, size int64) (*Checkpoint, error) {
	f := torchFile{size: size}
	var object any
	var err error
	if head := make([]byte, len(zipMagic)); readAt(r, head, 0) == nil && string(head) == zipMagic {
		object, err = f.readZip(r)
	} else {
		object, err = f.readLegacy(r)
	}
	if err != nil {
		return nil, err
	}
	return f.stateDict(object)
}

// torchFile is a file of torch.save.
type torchFile struct {
	size     int64 // bytes
	storages map[string]*storage
}

// storage is an array of values in the file, which tensors are views of.
type storage struct {
	class  string // torch's, such as FloatStorage
	stored string // type of its values, as in safetensors files
	values int
	read   func(b []byte) error
	bytes  []byte // nil: not read yet
}

// storageTypes are the types of torch's storages by their classes.
var storageTypes = map[string]string{
	"FloatStorage": "F32", "DoubleStorage": "F64", "HalfStorage": "F16", "BFloat16Storage": "BF16",
	"LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8", "BoolStorage": "BOOL",
	"ComplexFloatStorage": "C64", "UntypedStorage": "U8",
}

func (s *storage) length() int { return s.values * foreign[s.stored].size }

func (f *torchFile) readZip(r io.ReaderAt) (any, error) {
	z, err := zip.NewReader(r, f.size)
	if err != nil {
		return nil, fmt.Errorf("damaged, or no PyTorch file: %w", err)
	}
	records := map[string]*zip.File{}
	folder := ""
	for _, record := range z.File {
		if records[record.Name] != nil {
			return nil, fmt.Errorf("damaged: record %.100q twice", record.Name)
		}
		records[record.Name] = record
		if name, ok := strings.CutSuffix(record.Name, "data.pkl"); ok && strings.Count(name, "/") == 1 && strings.HasSuffix(name, "/") {
			if folder != "" {
				return nil, fmt.Errorf("two pickles, in %.100q and %.100q, want one", folder, name)
			}
			folder = name
		}
	}
	switch {
	case folder == "":
		return nil, errors.New("a zip file without NAME/data.pkl, want one that torch.save wrote")
	case records[folder+"constants.pkl"] != nil:
		return nil, errTorchScript
	}
	if order := records[folder+"byteorder"]; order != nil {
		text := make([]byte, len("little"))
		if err := readRecord(order, text); err != nil || string(text) != "little" {
			return nil, unsupported{errors.New("written on a big-endian machine, want little-endian numbers")}
		}
	}
	program := records[folder+"data.pkl"]
	if program.UncompressedSize64 > maxPickle {
		return nil, fmt.Errorf("its pickle has %d bytes, want at most %d", program.UncompressedSize64, maxPickle)
	}
	b := make([]byte, program.UncompressedSize64)
	if err := readRecord(program, b); err != nil {
		return nil, err
	}
	object, _, err := f.unpickle(b)
	if err != nil {
		return nil, err
	}
	for key, s := range f.storages {
		s.read = func(b []byte) error {
			record := records[folder+"data/"+key]
			if record == nil {
				return fmt.Errorf("damaged: no record %.100q", folder+"data/"+key)
			}
			return readRecord(record, b)
		}
	}
	return object, nil
}

// readRecord reads a record of len(b) bytes and checks its checksum.
func readRecord(record *zip.File, b []byte) error {
	if record.Method != zip.Store {
		return unsupported{fmt.Errorf("record %.100q is compressed, want it stored, as torch.save does", record.Name)}
	}
	if record.UncompressedSize64 != uint64(len(b)) {
		return fmt.Errorf("damaged: record %.100q has %d bytes, want %d", record.Name, record.UncompressedSize64, len(b))
	}
	r, err := record.Open()
	if err == nil {
		_, err = io.ReadFull(r, b)
	}
	if err == nil {
		if _, err = r.Read(make([]byte, 1)); err == io.EOF { // here the checksum is compared
			return nil
		}
	}
	return fmt.Errorf("damaged: record %.100q: %w", record.Name, err)
}

func (f *torchFile) readLegacy(r io.ReaderAt) (any, error) {
	b := make([]byte, min(f.size, maxPickle))
	if err := readAt(r, b, 0); err != nil {
		return nil, err
	}
	var parts [5]any // magic number, version, system, object, keys
	at := 0
	for i := range parts {
		part, n, err := f.unpickle(b[at:])
		if err != nil {
			return nil, err
		}
		parts[i] = part
		at += n
	}
	if parts[1] != 1001 {
		return nil, fmt.Errorf("PyTorch's format %v, want 1001", parts[1])
	}
	keys, ok := parts[4].(*types.List)
	if !ok {
		return nil, errors.New("damaged: no list of storages")
	}
	offset := int64(at)
	for _, key := range *keys {
		name, _ := key.(string)
		s := f.storages[name]
		if s == nil || s.read != nil {
			return nil, errors.New("damaged: its list of storages is not that of its tensors")
		}
		var values [8]byte
		if err := readAt(r, values[:], offset); err != nil {
			return nil, err
		}
		if binary.LittleEndian.Uint64(values[:]) != uint64(s.values) {
			return nil, fmt.Errorf("damaged: a storage of %d values, want %d", binary.LittleEndian.Uint64(values[:]), s.values)
		}
		begin := offset + int64(len(values))
		s.read = func(b []byte) error { return readAt(r, b, begin) }
		if offset = begin + int64(s.length()); offset > f.size {
			return nil, errors.New("truncated: the file ends within its storages")
		}
	}
	return parts[3], nil
}

func readAt(r io.ReaderAt, b []byte, offset int64) error {
	return readFull(io.NewSectionReader(r, offset, int64(len(b))), b)
}

// unpickle runs the pickle at the beginning of b, of n bytes.
func (f *torchFile) unpickle(b []byte) (object any, n int, err error) {
	n, err = measurePickle(b)
	if err != nil {
		return nil, 0, unsupported{fmt.Errorf("pickle: %w", err)}
	}
	defer func() {
		if p := recover(); p != nil {
			err = unsupported{fmt.Errorf("pickle: %.200v", p)}
		}
	}()
	u := pickle.NewUnpickler(bytes.NewReader(b[:n]))
	u.FindClass = func(module, name string) (any, error) { return &global{module, name}, nil }
	u.PersistentLoad = f.persistent
	if object, err = u.Load(); err != nil {
		return nil, 0, unsupported{fmt.Errorf("pickle: %.200s", err.Error())}
	}
	return object, n, nil
}

// measurePickle is the length of the pickle at the beginning of b. Arguments that
// reach beyond b, and numbers that take long to read, are errors.
func measurePickle(b []byte) (int, error) {
	at := 0
	line := func() bool {
		const longest = 1 << 12
		n := bytes.IndexByte(b[at:min(len(b), at+longest)], '\n')
		at += n + 1
		return n >= 0
	}
	// counted skips an argument behind its length.
	counted := func(bytes int) bool {
		if len(b)-at < bytes {
			return false
		}
		var length [8]byte
		copy(length[:], b[at:at+bytes])
		at += bytes
		n := binary.LittleEndian.Uint64(length[:])
		if n > uint64(len(b)-at) {
			return false
		}
		at += int(n)
		return true
	}
	for range maxOperations {
		if at >= len(b) {
			return 0, fmt.Errorf("no end within %d bytes", len(b))
		}
		ok := true
		operation := b[at]
		at++
		switch operation {
		case '.': // STOP
			return at, nil
		case 'K', 'h', 'q', 0x80: // BININT1 BINGET BINPUT PROTO
			at++
		case 'M': // BININT2
			at += 2
		case 'J', 'j', 'r': // BININT LONG_BINGET LONG_BINPUT
			at += 4
		case 'G': // BINFLOAT
			at += 8
		case 'U', 'C', 0x8a, 0x8c: // SHORT_BINSTRING SHORT_BINBYTES LONG1 SHORT_BINUNICODE
			ok = counted(1)
		case 'T', 'X', 'B': // BINSTRING BINUNICODE BINBYTES
			ok = counted(4)
		case 0x8d, 0x8e, 0x96: // BINUNICODE8 BINBYTES8 BYTEARRAY8
			ok = counted(8)
		case 0x95: // FRAME, whose content is more operations
			begin := at + 8
			if ok = counted(8); ok {
				at = begin
			}
		case 'F', 'I', 'L', 'S', 'V', 'P', 'g', 'p': // FLOAT INT LONG STRING UNICODE PERSID GET PUT
			ok = line()
		case 'c', 'i': // GLOBAL INST
			if ok = line(); ok {
				ok = line()
			}
		case 0x82, 0x83, 0x84, 0x8b, 0x97, 0x98, 0xff: // EXT1 EXT2 EXT4 LONG4 NEXT_BUFFER READONLY_BUFFER, none
			return 0, fmt.Errorf("operation %#x, which torch.save does not write", operation)
		}
		if !ok || at > len(b) {
			return 0, fmt.Errorf("operation %#x reaches beyond the end", operation)
		}
	}
	return 0, fmt.Errorf("more than %d operations", maxOperations)
}

// persistent finds the storage that a pickle refers to.
func (f *torchFile) persistent(id any) (any, error) {
	t, ok := id.(*types.Tuple)
	switch {
	case ok && t.Len() >= 2 && t.Get(0) == "module": // a class with its source, of a whole net
		return t.Get(1), nil
	case !ok || t.Len() < 5 || t.Get(0) != "storage":
		return nil, errors.New("a reference to something that is no storage")
	}
	class, okClass := t.Get(1).(*global)
	key, okKey := t.Get(2).(string)
	values, okValues := t.Get(4).(int)
	if !okClass || !okKey || !okValues || values < 0 || t.Len() > 5 && t.Get(5) != nil {
		return nil, errors.New("a reference to a storage that torch.save does not write")
	}
	stored, ok := storageTypes[class.name]
	if !ok {
		return nil, fmt.Errorf("a storage of type %.100s", class)
	}
	s := f.storages[key]
	if s == nil {
		if _, ok := elements([]int{values}, foreign[stored].size); !ok {
			return nil, fmt.Errorf("a storage of %d values", values)
		}
		s = &storage{class: class.name, stored: stored, values: values}
		if f.storages == nil {
			f.storages = map[string]*storage{}
		}
		f.storages[key] = s
	}
	if s.class != class.name || s.values != values {
		return nil, fmt.Errorf("storage %.100q of two types or sizes", key)
	}
	return s, nil
}

// global is something that a pickle calls by its name. It does nothing but make views
// of storages.
type global struct{ module, name string }

func (g *global) String() string { return g.module + "." + g.name }

// Call makes a tensor, or an object that does nothing.
func (g *global) Call(args ...any) (any, error) {
	switch g.String() {
	case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2":
		if v := newView(args); v != nil {
			return v, nil
		}
	case "torch._utils._rebuild_parameter":
		if len(args) > 0 {
			return args[0], nil
		}
	}
	return &object{class: g}, nil
}

// PyNew makes an object that does nothing.
func (g *global) PyNew(...any) (any, error) { return &object{class: g}, nil }

// object is a value of any other class, without its content.
type object struct{ class *global }

func (*object) PySetState(any) error { return nil }
func (*object) Set(any, any)         {}
func (*object) Append(any)           {}
func (*object) Add(any)              {}

// view is a tensor: values of a storage from offset on, size of them along each axis,
// stride values apart.
type view struct {
	storage *storage
	offset  int
	size    []int
	stride  []int
}

// newView is the tensor of (storage, offset, size, stride, ...), or nil.
func newView(args []any) *view {
	if len(args) < 4 {
		return nil
	}
	s, okStorage := args[0].(*storage)
	offset, okOffset := args[1].(int)
	size, okSize := integers(args[2])
	stride, okStride := integers(args[3])
	if !okStorage || !okOffset || !okSize || !okStride || len(size) != len(stride) || len(size) > maxDimensions {
		return nil
	}
	if len(args) > 6 { // flags of a view that is conjugate or negated
		if flags, ok := args[6].(*types.Dict); args[6] != nil && (!ok || flags.Len() > 0) {
			return nil
		}
	}
	return &view{s, offset, size, stride}
}

func integers(tuple any) ([]int, bool) {
	t, ok := tuple.(*types.Tuple)
	if !ok {
		return nil, false
	}
	numbers := make([]int, t.Len())
	for i := range numbers {
		if numbers[i], ok = t.Get(i).(int); !ok {
			return nil, false
		}
	}
	return numbers, true
}

// check returns the number of the tensor's values. They lie within the storage, each
// in a place of its own as far as their number tells.
func (v *view) check() (int, error) {
	n, ok := elements(v.size, foreign[v.storage.stored].size)
	if !ok {
		return 0, fmt.Errorf("shape %d is too large", v.size)
	}
	if n == 0 {
		return 0, nil
	}
	if n > v.storage.values {
		return 0, fmt.Errorf("shape %d is larger than its storage of %d values", v.size, v.storage.values)
	}
	left := v.storage.values - 1 - v.offset // values behind the last one of the tensor
	inside := v.offset >= 0 && left >= 0
	for i, dim := range v.size {
		stride := v.stride[i]
		inside = inside && (dim == 1 || stride >= 0 && stride <= left/(dim-1))
		if inside && dim > 1 {
			left -= (dim - 1) * stride
		}
	}
	if !inside {
		return 0, fmt.Errorf("shape %d with strides %d from %d on is not within its storage of %d values", v.size, v.stride, v.offset, v.storage.values)
	}
	return n, nil
}

// data reads the n values of the tensor, row-major.
func (v *view) data(n int) ([]float32, error) {
	s := v.storage
	if s.bytes == nil {
		b := make([]byte, s.length())
		if s.read == nil {
			return nil, errors.New("damaged: its storage is not in the file")
		}
		if err := s.read(b); err != nil {
			return nil, err
		}
		s.bytes = b
	}
	d := foreign[s.stored]
	data := make([]float32, n)
	at := make([]int, len(v.size))
	from := v.offset
	for i := range data {
		data[i] = d.value(s.bytes[from*d.size:])
		for axis := len(at) - 1; axis >= 0; axis-- { // to the next value
			at[axis]++
			from += v.stride[axis]
			if at[axis] < v.size[axis] {
				break
			}
			from -= at[axis] * v.stride[axis]
			at[axis] = 0
		}
	}
	return data, nil
}

// stateDictKeys are the names under which training scripts save a state_dict.
var stateDictKeys = []string{"state_dict", "model_state_dict", "model", "net"}

// stateDict reads the tensors of an object.
func (f *torchFile) stateDict(saved any) (*Checkpoint, error) {
	c := &Checkpoint{Meta: map[string]string{"format": "PyTorch"}}
	names, values, ok := entries(saved)
	if !ok {
		if o, ok := saved.(*object); ok {
			return nil, fmt.Errorf("holds a whole %.100s, %w", o.class, errWholeNet)
		}
		return nil, fmt.Errorf("holds %s, want a state_dict", describe(saved))
	}
	if !hasTensor(values) {
		var found []string
		for i, name := range names {
			if _, inner, ok := entries(values[i]); ok && slices.Contains(stateDictKeys, name) && hasTensor(inner) {
				found = append(found, name)
			}
		}
		switch len(found) {
		case 0:
			return nil, fmt.Errorf("holds no state_dict: no tensors, and none under %s; it has %s", strings.Join(stateDictKeys, ", "), keys(names))
		case 1:
		default:
			return nil, fmt.Errorf("holds %d state_dicts, under %s, want one", len(found), strings.Join(found, ", "))
		}
		c.Meta["state_dict"] = found[0]
		names, values, _ = entries(values[slices.Index(names, found[0])])
	}
	storages, total := int64(0), int64(0)
	for i, name := range names {
		if len(name) > maxName {
			return nil, fmt.Errorf("name %.20q... of %d bytes, want at most %d", name, len(name), maxName)
		}
		v, ok := values[i].(*view)
		if !ok {
			c.Tensors = append(c.Tensors, Tensor{Name: name, stored: describe(values[i])})
			continue
		}
		n, err := v.check()
		if err != nil {
			return nil, unsupported{fmt.Errorf("tensor %.100q: %w", name, err)}
		}
		t := Tensor{Name: name, Shape: v.size, stored: v.storage.stored}
		if d := foreign[t.stored]; d.value != nil {
			if v.storage.bytes == nil {
				storages += int64(v.storage.length())
			}
			total += int64(n * d.size)
			const shared = 4 // times that the tensors may be larger than the file
			if storages > f.size || total > shared*f.size {
				return nil, unsupported{fmt.Errorf("tensor %.100q: with it the tensors have %d bytes and their storages %d, in a file of %d", name, total, storages, f.size)}
			}
			if t.Data, err = v.data(n); err != nil {
				return nil, fmt.Errorf("tensor %.100q: %w", name, err)
			}
		}
		c.Tensors = append(c.Tensors, t)
	}
	return c, nil
}

// entries are those of a dictionary, in order, whose names are strings; of two with
// one name the last one.
func entries(dict any) (names []string, values []any, ok bool) {
	at := map[string]int{}
	add := func(key, value any) {
		name, ok := key.(string)
		if !ok {
			return
		}
		if i, ok := at[name]; ok {
			values[i] = value
			return
		}
		at[name] = len(names)
		names, values = append(names, name), append(values, value)
	}
	switch d := dict.(type) {
	case *types.OrderedDict:
		for e := d.List.Front(); e != nil; e = e.Next() {
			entry := e.Value.(*types.OrderedDictEntry)
			add(entry.Key, entry.Value)
		}
	case *types.Dict:
		for _, entry := range *d {
			add(entry.Key, entry.Value)
		}
	default:
		return nil, nil, false
	}
	return names, values, true
}

func hasTensor(values []any) bool {
	return slices.ContainsFunc(values, func(v any) bool { _, ok := v.(*view); return ok })
}

// keys are some names of a dictionary.
func keys(names []string) string {
	const most = 6
	if len(names) == 0 {
		return "no names"
	}
	text := fmt.Sprintf("%.40q", names[:min(most, len(names))])
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// describe is what a value of a pickle is.
func describe(v any) string {
	switch v := v.(type) {
	case *object:
		return fmt.Sprintf("%.100s", v.class)
	case *global:
		return fmt.Sprintf("%.100s", v)
	case *types.OrderedDict, *types.Dict:
		return "dict"
	case *types.List:
		return "list"
	case *types.Tuple:
		return "tuple"
	case *view:
		return "a tensor"
	case nil:
		return "None"
	}
	return fmt.Sprintf("%T", v)
}
