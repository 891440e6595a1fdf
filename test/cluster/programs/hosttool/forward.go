package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// forwardInside is the subcommand that forward becomes once it is inside the
// namespace; it is not meant to be called by hand.
const forwardInside = "forward-inside"

// forward listens in the network namespace it is started in, then enters the
// named one for good and runs itself again with the listening socket handed
// over: a socket stays in the namespace it was made in, so connections are
// accepted outside and made inside, and neither side needs an interface, a
// route or a rule for it.
func forward(arguments []string) error {
	flags := flag.NewFlagSet("forward", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "ADDRESS:PORT to listen on; port 0 takes a free one")
	netns := flags.String("netns", "", "file of the network namespace to forward into")
	to := flags.String("to", "", "ADDRESS:PORT inside the namespace")
	addressFile := flags.String("address-file", "", "file to write the address listened on to")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *netns == "" || *to == "" || *addressFile == "" {
		return errors.New("--netns, --to and --address-file are needed")
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return fmt.Errorf("%s is no TCP address", *listen)
	}
	socket, err := tcp.File()
	if err != nil {
		return err
	}
	// Written whole or not at all: the harness waits for the file to appear.
	if err := os.WriteFile(*addressFile+".part", []byte(listener.Addr().String()), 0o600); err != nil {
		return err
	}
	if err := os.Rename(*addressFile+".part", *addressFile); err != nil {
		return err
	}
	// Exec keeps the namespace of the thread that calls it.
	if err := enterNetwork(*netns); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(socket.Fd(), unix.F_SETFD, 0); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return unix.Exec(self, []string{os.Args[0], forwardInside, strconv.Itoa(int(socket.Fd())), *to}, os.Environ())
}

// enterNetwork moves this goroutine, and no other, into a network namespace.
func enterNetwork(file string) error {
	namespace, err := os.Open(file)
	if err != nil {
		return err
	}
	defer namespace.Close()
	// setns moves one thread.
	runtime.LockOSThread()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering the network namespace %s: %w", file, err)
	}
	return nil
}

// serveForward accepts on the inherited socket and copies both ways.
func serveForward(arguments []string) error {
	if len(arguments) != 2 {
		return errors.New("this subcommand is started by forward only")
	}
	descriptor, err := strconv.Atoi(arguments[0])
	if err != nil {
		return err
	}
	listener, err := net.FileListener(os.NewFile(uintptr(descriptor), "listener"))
	if err != nil {
		return err
	}
	for {
		outside, err := listener.Accept()
		if err != nil {
			return err
		}
		go join(outside, arguments[1])
	}
}

// join connects one accepted connection with a new one inside the namespace,
// and passes the end of each direction on, so that half-closed streams work.
func join(outside net.Conn, to string) {
	defer outside.Close()
	inside, err := net.Dial("tcp", to)
	if err != nil {
		fmt.Fprintf(os.Stderr, "forward: %v\n", err)
		return
	}
	defer inside.Close()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{outside, inside}, {inside, outside}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], way[0]) // either side may end it at any time
			if half, ok := way[1].(interface{ CloseWrite() error }); ok {
				_ = half.CloseWrite()
			}
		})
	}
	both.Wait()
}
