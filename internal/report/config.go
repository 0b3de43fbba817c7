package report

// Config is the `report` section.
type Config struct {
	// Pictures draws samples/, curves.png, classes.png, confusion.png and report.html after each epoch.
	Pictures bool `yaml:"pictures"`
}

// DefaultConfig draws them.
func DefaultConfig() Config { return Config{Pictures: true} }
