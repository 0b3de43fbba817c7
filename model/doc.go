// Package model builds the net that package arch describes as a Gorgonia graph.
//
// Parameters hold the weights apart from any graph, so that graphs of several
// batch sizes and modes share them, under PyTorch's names.
package model
