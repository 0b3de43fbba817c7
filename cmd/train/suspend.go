package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// clock stands still while the process is stopped by Ctrl-Z, so that speeds and
// the time left do not count the pause.
type clock struct {
	mu      sync.Mutex // held while the process is stopped
	stopped time.Duration
}

// now is the time less that for which the process was stopped.
func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(-c.stopped)
}

// watch takes over from the system what Ctrl-Z (SIGTSTP) does, which is to stop
// the process until SIGCONT, and measures how long that is. The stop happens within
// a call of away.
func (c *clock) watch(away func(stop func())) {
	if signal.Ignored(syscall.SIGTSTP) { // by a shell without job control
		return
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTSTP)
	go func() {
		for range stop {
			away(c.suspend)
		}
	}()
}

// suspend stops the process and returns when it goes on.
func (c *clock) suspend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	goOn := make(chan os.Signal, 1)
	signal.Notify(goOn, syscall.SIGCONT)
	defer signal.Stop(goOn)
	start := time.Now()
	if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
		return // cannot happen: a process may stop itself
	}
	<-goOn // SIGSTOP takes effect a moment after Kill has returned
	c.stopped += time.Since(start)
}
