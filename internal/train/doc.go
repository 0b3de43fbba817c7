// Package train is the training loop: epochs of steps, a validation after each
// epoch, checkpoints, and events for whoever watches.
//
// A run is a function of its config, seed and data alone: the order of the
// samples, their augmentation, dropout and the learning rate follow from (seed,
// epoch, position), so that weights, solver state and position are all that a
// checkpoint holds, and a resumed run ends with the same weights, bit for bit,
// as one that was never stopped.
package train
