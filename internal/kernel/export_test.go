package kernel

// Direct and Winograd make an engine do all 3x3 convolutions in this way, also
// where the other one would be faster.
func Direct(e *Engine)   { e.algorithm = direct }
func Winograd(e *Engine) { e.algorithm = winograd }
