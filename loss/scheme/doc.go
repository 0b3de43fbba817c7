// Package scheme is the `loss` section of a configuration, and the schemes by
// which class counts over a training set become class weights. It builds no graph
// and needs no Gorgonia: package loss does that with what it finds here.
package scheme
