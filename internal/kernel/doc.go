// Package kernel is the arithmetic under the graph's operations: loops over
// flat float32 slices, parallel over cores, with the instruction set chosen at
// run time. It knows nothing of Gorgonia.
//
// Tensors are NHWC and row-major: element (n, h, w, c) of an (N, H, W, C)
// tensor is at ((n*H+h)*W+w)*C + c. A matrix (M, C) is such a tensor whose
// first three axes have been merged. A slice must have the length its shape
// says; a shorter one panics. Outputs must not overlap inputs unless the
// method's comment says so.
//
// NaN and infinities pass through as IEEE 754 says, except that Winograd's
// algorithm makes NaN of all outputs of a tile near one, and the gradients of
// weights in bfloat16 are NaN if the input has one. Results are bit for bit
// the same from run to run with the same thread count and instruction set.
//
// # Rooms
//
//	kernel             Engine, and the algorithms, one file each; dispatch.go chooses
//	kernel/simd        micro-kernels: plain Go beside assembly, in a table for each instruction set
//	kernel/simd/asm    the generator of the assembly
//	kernel/parallel    the pool of workers, and work stealing
//	kernel/memory      large pages, and buffers that grow
//
// TUNING.md says where thresholds and block sizes come from.
//
// # Notation
//
//	x, y, w            input (N, H, W, In), output (N, H, W, Out), weights (Kernel, Kernel, In, Out)
//	                   depthwise: Out = In = C, each channel by itself, w (Kernel, Kernel, C)
//	dx, dy, dw         gradients of a loss by them
//	m, n, k            rows and columns of a matrix product, and what it sums over
//	MR, NR             rows and columns of a micro-tile
//	A, B, C, Init      left operand, packed right operand, result, and what its sums start from
//	G, B, A            the matrices of Winograd's transforms, by the letters of Lavin and Gray
//
// # Glossary
//
//	micro-kernel       the inner loop of an operation, for one instruction set; its argument is a struct
//	micro-tile         MR x NR results, whose sums stay in registers
//	panel              NR columns of a right operand, packed one row after the other
//	packing            copying an operand into panels
//	plane              one channel of rows of pixels: pixels side by side
//	block, slice       what is worked on at once, to stay in a cache; a slice is some of the channels
//	tap                one of the Kernel x Kernel places of a convolution's weights
//	tile               4x4 outputs of Winograd's algorithm, from 6x6 inputs; group: four of them
//	frequency          one of the 36 elements of a transformed tile
//	transform          of the input, the weights or the output, and of their gradients
//	on the fly         of weights: transformed in registers and forgotten
//	epilogue           what is done to a convolution's output while it is at hand: scale, shift and
//	                   activation, or sums of the moments that batch norm needs
//	moments            sums of a channel's values and of their squares
//	worker             a thread of the pool, with its scratch memory; piece: what it runs at once
//	work stealing      running a piece of another worker that has not begun it
//	prefetch           asking for a cache line before it is needed
//	non-temporal       of a store: past the caches, without reading the line it overwrites
package kernel
