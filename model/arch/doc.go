// Package arch describes the nets: the `model` section of a configuration, and
// what it makes. It builds nothing and needs no Gorgonia.
package arch
