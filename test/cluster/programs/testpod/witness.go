package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
)

// addresses is a flag that may be given more than once.
type addresses []string

func (a *addresses) String() string { return fmt.Sprint(*a) }

func (a *addresses) Set(text string) error {
	if _, err := netip.ParseAddr(text); err != nil {
		return err
	}
	*a = append(*a, text)
	return nil
}

// testimony is what a witness says of a packet: who got it, on which port, and
// from where it seemed to come.
func testimony(name string, port int, client netip.AddrPort) string {
	return fmt.Sprintf("%s:%d %s\n", name, port, netip.AddrPortFrom(client.Addr().Unmap().WithZone(""), client.Port()))
}

// witness answers on every port over TCP, UDP and SCTP with its name, the port,
// and the client's address and port.
func witness(arguments []string) error {
	var open ports
	var own addresses
	flags := flag.NewFlagSet("witness", flag.ExitOnError)
	flags.Var(&open, "port", "port to answer on, over all protocols; may be repeated")
	flags.Var(&own, "address", "own address to answer on, where there are more than one; may be repeated; all if not given")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if len(open) == 0 {
		return errors.New("name at least one --port")
	}
	if len(own) == 0 {
		own = addresses{"::", "0.0.0.0"}
	}
	name := podName()
	failed := make(chan error, len(own)*(2*len(open)+1))
	for _, address := range own {
		family := "6"
		if netip.MustParseAddr(address).Is4() {
			family = "4"
		}
		for _, port := range open {
			at := net.JoinHostPort(address, fmt.Sprint(port))
			listener, err := net.Listen("tcp"+family, at)
			if err != nil {
				return err
			}
			go func() { failed <- witnessTCP(listener, name, port) }()
			datagrams, err := net.ListenPacket("udp"+family, at)
			if err != nil {
				return err
			}
			go func() { failed <- witnessUDP(datagrams, name, port) }()
		}
		packets, err := net.ListenPacket("ip"+family+":132", address)
		if err != nil {
			return err
		}
		go func() { failed <- witnessSCTP(packets, name, open) }()
	}
	fmt.Printf("%s is a witness on %v of %v\n", name, open, own)
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	select {
	case err := <-failed:
		return err
	case <-ended.Done():
		return nil
	}
}

func witnessTCP(listener net.Listener, name string, port int) error {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		if client, err := netip.ParseAddrPort(connection.RemoteAddr().String()); err == nil {
			fmt.Fprint(connection, testimony(name, port, client))
		}
		connection.Close()
	}
}

func witnessUDP(datagrams net.PacketConn, name string, port int) error {
	buffer := make([]byte, 2048)
	for {
		_, from, err := datagrams.ReadFrom(buffer)
		if err != nil {
			return err
		}
		client, err := netip.ParseAddrPort(from.String())
		if err != nil {
			continue
		}
		if _, err := datagrams.WriteTo([]byte(testimony(name, port, client)), from); err != nil {
			fmt.Fprintf(os.Stderr, "answering %s: %v\n", from, err)
		}
	}
}

// witnessSCTP answers an association's first packet (INIT) as a server would
// (INIT ACK), over a raw socket, so it needs no SCTP in the kernel. The
// testimony is the cookie, whose content is the server's own business.
func witnessSCTP(packets net.PacketConn, name string, open ports) error {
	buffer := make([]byte, 2048)
	for {
		length, from, err := packets.ReadFrom(buffer)
		if err != nil {
			return err
		}
		init, ok := parseSCTP(buffer[:length])
		if !ok || init.chunk != chunkInit || !open.has(init.destinationPort) {
			continue
		}
		address, err := netip.ParseAddr(from.String())
		if err != nil {
			continue
		}
		answer := sctpPacket{
			sourcePort:      init.destinationPort,
			destinationPort: init.sourcePort,
			verificationTag: init.initiateTag,
			chunk:           chunkInitAck,
			initiateTag:     init.initiateTag + 1,
			cookie:          testimony(name, int(init.destinationPort), netip.AddrPortFrom(address, init.sourcePort)),
		}
		if _, err := packets.WriteTo(answer.encode(), from); err != nil {
			fmt.Fprintf(os.Stderr, "answering %s: %v\n", from, err)
		}
	}
}

func (p ports) has(port uint16) bool {
	for _, each := range p {
		if each == int(port) {
			return true
		}
	}
	return false
}
