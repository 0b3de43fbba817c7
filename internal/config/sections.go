package config

import (
	"errors"
	"fmt"
)

// Train is the `train` section.
type Train struct {
	// Epochs is the number of passes over the training set, >= 1.
	Epochs int `yaml:"epochs" range:"[1,)"`
	// BatchSize is the number of images per batch, >= 1; the last batch of an epoch may be smaller.
	BatchSize int `yaml:"batch_size" range:"[1,)"`
	// Accumulate is the number of batches per step, >= 1; the last step of an epoch may have fewer.
	Accumulate int `yaml:"accumulate" range:"[1,)"`
	// EMA is the decay of exponential moving averages of the weights, in [0, 1): validation, checkpoints
	// and predictions then use the averages; 0 turns them off.
	EMA float64 `yaml:"ema" range:"[0,1)"`
	// EarlyStop ends the run after this many epochs without a better validation mIoU; 0 turns it off.
	EarlyStop int `yaml:"early_stop" range:"[0,)"`
}

// Validate reports every value out of range.
func (c Train) Validate() error {
	var errs []error
	if c.Epochs < 1 {
		errs = append(errs, fmt.Errorf("train.epochs = %d, want >= 1", c.Epochs))
	}
	if c.BatchSize < 1 {
		errs = append(errs, fmt.Errorf("train.batch_size = %d, want >= 1", c.BatchSize))
	}
	if c.Accumulate < 1 {
		errs = append(errs, fmt.Errorf("train.accumulate = %d, want >= 1", c.Accumulate))
	}
	if !(c.EMA >= 0 && c.EMA < 1) {
		errs = append(errs, fmt.Errorf("train.ema = %v, want in [0, 1) (0: no averages)", c.EMA))
	}
	if c.EarlyStop < 0 {
		errs = append(errs, fmt.Errorf("train.early_stop = %d, want >= 0", c.EarlyStop))
	}
	return errors.Join(errs...)
}

// Report is the `report` section.
type Report struct {
	// Pictures draws samples/, curves.png, classes.png, confusion.png and report.html after each epoch.
	Pictures bool `yaml:"pictures"`
}

// MPI is the `mpi` section: training by several processes.
type MPI struct {
	// Timeout is the number of seconds, >= 0, after which a process that waits for another
	// one ends the run; 0: never.
	Timeout int `yaml:"timeout" range:"[0,)"`
}

// Validate reports every value out of range.
func (c MPI) Validate() error {
	if c.Timeout < 0 {
		return fmt.Errorf("mpi.timeout = %d, want >= 0 (0: none)", c.Timeout)
	}
	return nil
}
