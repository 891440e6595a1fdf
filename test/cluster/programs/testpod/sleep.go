package main

import (
	"os"
	"os/signal"
	"syscall"
)

// sleep waits until it is told to end. It also reaps orphans, because it is
// process 1 of the pod where a pod shares its process namespace.
func sleep() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
}
