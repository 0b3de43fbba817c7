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
// Every convolution and all of its gradients are one matrix product (see
// tile), after the scheme of Goto and van de Geijn, "Anatomy of
// High-Performance Matrix Multiplication", 2008: the right operand is packed
// in panels as wide as a register tile and the left one is read in place with
// strides. A row of a zero-padded NHWC image holds the (kw, ci) neighbourhood
// of each pixel as 3*In consecutive floats, so a 3x3 convolution needs no
// im2col. Where there are channels and pixels enough, 3x3 convolutions are done
// by Winograd's algorithm, whose products are a quarter of that (see winograd). An engine
// that was asked for bfloat16 rounds the operands of 3x3 and transposed convolutions
// and of their gradients instead (see correlateBFloat16).
//
// NaN and infinities pass through as IEEE 754 says, except that Winograd's
// algorithm makes NaN of all results of a 4x4 tile near one, and the gradients of
// weights in bfloat16 are NaN if the image has one. Results are bit for bit
// the same from run to run with the same thread count and instruction set.
package kernel
