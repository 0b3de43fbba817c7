// Package model builds the net that package arch describes as a Gorgonia graph.
//
// A service needs two calls: [Open] reads a checkpoint, and [Segmenter.Segment]
// gives the mask of an image of any size.
//
// A program that trains a net itself makes an [Engine], the [Parameters] and a [Graph], adds the
// net by [New] and a loss by loss.Loss.Nodes to it, and has the gradient added by
// [UNet.Differentiate]; see the example of New. A [Predictor] then gives the
// probabilities of batches.
//
// Parameters hold the weights apart from any graph, so that graphs of several
// batch sizes and modes share them, under PyTorch's names.
package model
