// Package train is the optimizer loop.
package train
