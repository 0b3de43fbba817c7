package run

// UsageError is a mistake in what was asked for, in the command line or the
// configuration, rather than in a file or the machine.
type UsageError struct{ error }

// Unwrap is the mistake itself.
func (e UsageError) Unwrap() error { return e.error }

// Usage marks err as a mistake in what was asked for; nil stays nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return UsageError{err}
}
