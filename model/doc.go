// Package model builds the UNet of Ronneberger, Fischer and Brox (2015) as a
// Gorgonia graph, in the form that segmentation practice has settled on:
// padded 3x3 convolutions, batch norm, ReLU.
package model
