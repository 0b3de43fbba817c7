//go:build mpi

package world

/*
#cgo pkg-config: mpi-c
#include <mpi.h>
#include <stdlib.h>

// Macros, which cgo does not see where they are expressions.
static MPI_Comm world_comm(void) { return MPI_COMM_WORLD; }

static int world_init(int *provided) { return MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, provided); }
static int world_serialized(void) { return MPI_THREAD_SERIALIZED; }

static int world_sum32(float *v, int n) { return MPI_Allreduce(MPI_IN_PLACE, v, n, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD); }
static int world_sum64(double *v, int n) { return MPI_Allreduce(MPI_IN_PLACE, v, n, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD); }
static int world_broadcast(void *v, int n, int root) { return MPI_Bcast(v, n, MPI_BYTE, root, MPI_COMM_WORLD); }
*/
import "C"

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync/atomic"
	"time"
	"unsafe"
)

// mpi is the world of MPI_COMM_WORLD. What is sent is copied to memory of C and back:
// the drivers of some networks remember where memory is, and Go's gives pages back to
// the system without telling them.
//
// Its error handler is the default one, which ends all processes.
type mpi struct {
	rank, size int
	memory     unsafe.Pointer
	bytes      int

	calls   atomic.Int64 // begun and ended: it is odd while one waits
	watched bool
}

// Join returns the world that this process is a part of: of all processes that mpirun
// or srun started with it, or, if none did, of itself.
func Join(getenv func(string) string) (World, error) {
	if _, ok := launched(getenv); !ok {
		return Alone{}, nil // MPI would start a daemon
	}
	var provided C.int
	if code := C.world_init(&provided); code != C.MPI_SUCCESS {
		return nil, fmt.Errorf("MPI_Init_thread returned %d", code)
	}
	if provided < C.world_serialized() {
		return nil, fmt.Errorf("MPI allows calls by one thread only (level %d), want MPI_THREAD_SERIALIZED", provided)
	}
	w := &mpi{}
	var rank, size C.int
	C.MPI_Comm_rank(C.world_comm(), &rank)
	C.MPI_Comm_size(C.world_comm(), &size)
	w.rank, w.size = int(rank), int(size)
	if w.size == 1 {
		w.Close()
		return Alone{}, nil
	}
	return w, nil
}

func (w *mpi) Rank() int { return w.rank }
func (w *mpi) Size() int { return w.size }

// largest is the number of bytes of a message, at most: MPI counts in ints.
const largest = 1 << 30

// buffer returns n bytes of C's memory, with undefined contents.
func (w *mpi) buffer(n int) unsafe.Pointer {
	if n > w.bytes {
		C.free(w.memory)
		w.memory, w.bytes = C.malloc(C.size_t(n)), n
	}
	return w.memory
}

func (w *mpi) Sum32(values ...[]float32) {
	n := 0
	for _, v := range values {
		n += len(v)
	}
	memory := w.buffer(4 * n)
	flat := unsafe.Slice((*float32)(memory), n)
	at := 0
	for _, v := range values {
		at += copy(flat[at:], v)
	}
	for from := 0; from < n; from += largest / 4 {
		part := flat[from:min(from+largest/4, n)]
		w.call("MPI_Allreduce", func() C.int { return C.world_sum32((*C.float)(unsafe.Pointer(&part[0])), C.int(len(part))) })
	}
	at = 0
	for _, v := range values {
		at += copy(v, flat[at:])
	}
}

func (w *mpi) Sum64(values []float64) {
	n := len(values)
	memory := w.buffer(8 * n)
	flat := unsafe.Slice((*float64)(memory), n)
	copy(flat, values)
	for from := 0; from < n; from += largest / 8 {
		part := flat[from:min(from+largest/8, n)]
		w.call("MPI_Allreduce", func() C.int { return C.world_sum64((*C.double)(unsafe.Pointer(&part[0])), C.int(len(part))) })
	}
	copy(values, flat)
}

func (w *mpi) Broadcast(root int, b []byte) []byte {
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(b)))
	w.broadcast(root, length[:])
	if w.rank != root {
		b = make([]byte, binary.LittleEndian.Uint64(length[:]))
	}
	for from := 0; from < len(b); from += largest {
		w.broadcast(root, b[from:min(from+largest, len(b))])
	}
	return b
}

// broadcast is Broadcast of one message, of the same length everywhere.
func (w *mpi) broadcast(root int, b []byte) {
	memory := w.buffer(len(b))
	flat := unsafe.Slice((*byte)(memory), len(b))
	if w.rank == root {
		copy(flat, b)
	}
	w.call("MPI_Bcast", func() C.int { return C.world_broadcast(memory, C.int(len(b)), C.int(root)) })
	copy(b, flat)
}

// call makes a call of MPI, which waits for the other processes.
func (w *mpi) call(name string, do func() C.int) {
	w.calls.Add(1)
	if code := do(); code != C.MPI_SUCCESS {
		w.fail(fmt.Sprintf("%s returned %d", name, code))
	}
	w.calls.Add(1)
}

// Watch looks again and again whether one and the same call waits: by a single look after
// the timeout, a run that was stopped by Ctrl-Z would end when it goes on.
func (w *mpi) Watch(timeout time.Duration) {
	if timeout == 0 || w.watched {
		return
	}
	w.watched = true
	const looks = 10
	go func() {
		seen, waited := int64(0), 0
		for range time.Tick(timeout / looks) {
			if now := w.calls.Load(); now != seen || now%2 == 0 {
				seen, waited = now, 0
			} else if waited++; waited == looks {
				w.fail(fmt.Sprintf("no answer of the other processes in %v (mpi.timeout): one of them hangs, or its host cannot be reached", timeout))
			}
		}
	}()
}

// fail ends this process without a word to the others, who may not hear it; their
// launcher, or their own timeout, ends them.
func (w *mpi) fail(why string) {
	fmt.Fprintf(os.Stderr, "rank %d on %s: %s\n", w.rank, Host(), why)
	os.Exit(1)
}

func (w *mpi) Abort(code int) { C.MPI_Abort(C.world_comm(), C.int(code)) }

func (w *mpi) Close() {
	C.free(w.memory)
	w.memory, w.bytes = nil, 0
	C.MPI_Finalize()
}
