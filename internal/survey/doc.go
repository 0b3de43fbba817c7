// Package survey looks through the files of a data set before a net is trained on
// them: what is there ([Infer]), the recipe that fits it ([Suggest]), and what is
// wrong with it ([Check]).
//
// It goes on after a fault, so that all faults can be mended at once. Nothing is
// kept in memory.
package survey
