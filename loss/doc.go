// Package loss turns class counts into class weights and builds the weighted
// categorical cross entropy and its relatives as Gorgonia graph nodes.
package loss
