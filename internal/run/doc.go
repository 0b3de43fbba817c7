// Package run puts a run together from a configuration: the engine, the net with
// its first weights, the data, the run folder, the checkpoint to resume from and
// what records the run. Train does all of it; the other functions are the parts
// that evaluation, prediction and export need too.
//
// A run folder belongs to one process at a time, which locks it, and holds
// config.yaml, checkpoints/, and what package report writes.
package run
