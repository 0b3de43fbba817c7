// Package configs holds the configurations that come with the program.
package configs

import _ "embed"

// Unet is unet.yaml. It has every key, each on a line of its own with a comment
// that says what the key means; help, completion and schema take it from there.
//
//go:embed unet.yaml
var Unet string
