package kernel

// Direct and Winograd make an engine do all 3x3 convolutions in this way, also
// where the other one would be faster.
func Direct(e *Engine)   { e.algorithm = direct }
func Winograd(e *Engine) { e.algorithm = winograd }

// PrefersWinograd is the choice of an engine that may choose.
func PrefersWinograd(e *Engine, s ConvShape) bool { return e.prefersWinograd(s) }
