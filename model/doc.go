// Package model builds the UNet of Ronneberger, Fischer and Brox (2015) as a
// Gorgonia graph, in the form that practice has settled on: padded 3x3
// convolutions, batch norm, ReLU.
//
//	encoder.0 .. encoder.depth     two (3x3 conv, batch norm, ReLU) each, 2x2 max pool between them; the last is the bottleneck
//	up.0, decoder.0, ...           from the deepest level up: 2x2 transposed conv, concat (skip first), two conv blocks
//	head                           1x1 conv to the logits
//
// Parameters hold the weights apart from any graph, so that graphs of several
// batch sizes and modes share them, under PyTorch's names.
package model
