package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// ports is a flag that may be given more than once.
type ports []int

func (p *ports) String() string { return fmt.Sprint(*p) }

func (p *ports) Set(text string) error {
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return fmt.Errorf("%q is no port number between 1 and 65535", text)
	}
	*p = append(*p, port)
	return nil
}

// podName is what the server answers: POD_NAME, or the host name, which in a
// pod with its own network is the pod's name too.
func podName() string {
	if name := os.Getenv("POD_NAME"); name != "" {
		return name
	}
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// handler answers GET / with the pod's name, and logs it; GET /client with the
// address that the connection seems to come from (which shows masquerading),
// GET /healthz with the readiness, and POST /ready?value=BOOL sets that
// readiness.
func handler(name string, ready *atomic.Bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Printf("GET / from %s\n", r.RemoteAddr)
		fmt.Fprintln(w, name)
	})
	mux.HandleFunc("GET /client", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.RemoteAddr)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready.Load() {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("POST /ready", func(w http.ResponseWriter, r *http.Request) {
		value, err := strconv.ParseBool(r.URL.Query().Get("value"))
		if err != nil {
			http.Error(w, "give ?value=true or ?value=false", http.StatusBadRequest)
			return
		}
		ready.Store(value)
		fmt.Fprintln(w, value)
	})
	return mux
}

// answerDatagrams sends the pod's name back for every datagram.
func answerDatagrams(connection net.PacketConn, name string) error {
	buffer := make([]byte, 65536)
	for {
		_, from, err := connection.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if _, err := connection.WriteTo([]byte(name+"\n"), from); err != nil {
			fmt.Fprintf(os.Stderr, "answering %s: %v\n", from, err)
		}
	}
}

func serve(arguments []string) error {
	var tcp, udp ports
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	flags.Var(&tcp, "port", "TCP port to serve HTTP on; may be repeated")
	flags.Var(&udp, "udp-port", "UDP port to answer on; may be repeated")
	linger := flags.Duration("linger", 0, "how long to go on serving after SIGTERM")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if len(tcp)+len(udp) == 0 {
		return errors.New("name at least one --port or --udp-port")
	}
	name := podName()
	var ready atomic.Bool
	ready.Store(true)
	failed := make(chan error, len(tcp)+len(udp))
	for _, port := range tcp {
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		server := &http.Server{Handler: handler(name, &ready), ReadHeaderTimeout: 10 * time.Second}
		go func() { failed <- server.Serve(listener) }()
	}
	for _, port := range udp {
		connection, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		go func() { failed <- answerDatagrams(connection, name) }()
	}
	fmt.Printf("%s serves tcp %v udp %v\n", name, tcp, udp)
	// As process 1 of a container there is no default action for SIGTERM.
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	select {
	case err := <-failed:
		return err
	case <-ended.Done():
		time.Sleep(*linger)
		return nil
	}
}
