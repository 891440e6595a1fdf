package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// question is one line of what ask reads: make count new connections, one
// after the other, and say who answered.
type question struct {
	ID string `json:"id"`
	// Protocol is tcp, udp or sctp.
	Protocol string `json:"protocol"`
	// From is the own address to use; empty for the one that the route names.
	From  string `json:"from,omitempty"`
	To    string `json:"to"`
	Count int    `json:"count"`
	// TimeoutMillis is for each connection, its answer included.
	TimeoutMillis int `json:"timeoutMillis"`
	// MaxFailures ends the question early: what fails so often will not answer.
	MaxFailures int `json:"maxFailures"`
}

// answers is one line of what ask prints.
type answers struct {
	ID string `json:"id"`
	// Witnesses counts the answers by what they said, client's port aside.
	Witnesses []witnessed `json:"witnesses"`
	Failures  []failure   `json:"failures"`
}

type witnessed struct {
	// Name is the witness's, with the port that it was reached on.
	Name string `json:"name"`
	// Source is the address that the witness saw; OwnSource the one that was used.
	Source    string `json:"source"`
	OwnSource string `json:"ownSource"`
	Count     int    `json:"count"`
	// SamePort counts those whose source port was seen as it was sent.
	SamePort int `json:"samePort"`
}

type failure struct {
	// Kind is refused, timeout, or unreachable; else the error's text.
	Kind  string `json:"kind"`
	Count int    `json:"count"`
}

// ask reads groups of questions, a JSON array on each line, and answers them
// as they come: groups side by side, the questions of a group one by one.
func ask(arguments []string) error {
	flags := flag.NewFlagSet("ask", flag.ExitOnError)
	parallel := flags.Int("parallel", 64, "how many groups to ask side by side")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	output := json.NewEncoder(os.Stdout)
	var printing sync.Mutex
	var waiting sync.WaitGroup
	places := make(chan struct{}, *parallel)
	for lines.Scan() {
		var group []question
		if err := json.Unmarshal(lines.Bytes(), &group); err != nil {
			return err
		}
		places <- struct{}{}
		waiting.Go(func() {
			defer func() { <-places }()
			for _, each := range group {
				found := each.answer()
				printing.Lock()
				if err := output.Encode(found); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
				printing.Unlock()
			}
		})
	}
	waiting.Wait()
	return lines.Err()
}

func (q question) answer() answers {
	said := map[witnessed]*witnessed{}
	failed := map[string]int{}
	failures := 0
	found := answers{ID: q.ID, Witnesses: []witnessed{}, Failures: []failure{}}
	var order []*witnessed
	for range q.Count {
		text, own, err := q.once()
		var one witnessed
		var port uint16
		if err == nil {
			one, port, err = parseTestimony(text)
		}
		if err != nil {
			failed[kindOf(err)]++
			if failures++; q.MaxFailures > 0 && failures >= q.MaxFailures {
				break
			}
			continue
		}
		one.OwnSource = own.Addr().Unmap().WithZone("").String()
		present, ok := said[one]
		if !ok {
			counted := one
			present = &counted
			said[one] = present
			order = append(order, present)
		}
		present.Count++
		if port == own.Port() {
			present.SamePort++
		}
	}
	for _, each := range order {
		found.Witnesses = append(found.Witnesses, *each)
	}
	for kind, count := range failed {
		found.Failures = append(found.Failures, failure{Kind: kind, Count: count})
	}
	return found
}

// parseTestimony reads "NAME:PORT ADDRESS:PORT".
func parseTestimony(text string) (witnessed, uint16, error) {
	name, client, ok := strings.Cut(strings.TrimSpace(text), " ")
	source, err := netip.ParseAddrPort(client)
	if !ok || err != nil {
		return witnessed{}, 0, fmt.Errorf("an answer of no witness: %q", text)
	}
	return witnessed{Name: name, Source: source.Addr().String()}, source.Port(), nil
}

func kindOf(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "timeout"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENOPROTOOPT):
		return "unreachable"
	}
	var timed net.Error
	if errors.As(err, &timed) && timed.Timeout() {
		return "timeout"
	}
	return err.Error()
}

// once makes one connection; it gives the answer and the own address and port.
func (q question) once() (string, netip.AddrPort, error) {
	deadline := time.Now().Add(time.Duration(q.TimeoutMillis) * time.Millisecond)
	if q.Protocol == "sctp" {
		return q.onceSCTP(deadline)
	}
	dialer := net.Dialer{Deadline: deadline}
	if q.From != "" {
		from := netip.AddrPortFrom(netip.MustParseAddr(q.From), 0)
		if q.Protocol == "udp" {
			dialer.LocalAddr = net.UDPAddrFromAddrPort(from)
		} else {
			dialer.LocalAddr = net.TCPAddrFromAddrPort(from)
		}
	}
	connection, err := dialer.Dial(q.Protocol, q.To)
	if err != nil {
		return "", netip.AddrPort{}, err
	}
	defer connection.Close()
	own, err := netip.ParseAddrPort(connection.LocalAddr().String())
	if err != nil {
		return "", own, err
	}
	if err := connection.SetDeadline(deadline); err != nil {
		return "", own, err
	}
	if q.Protocol == "udp" {
		if err := send(connection, []byte("who")); err != nil {
			return "", own, err
		}
		buffer := make([]byte, 2048)
		length, err := connection.Read(buffer)
		return string(buffer[:length]), own, err
	}
	text, err := io.ReadAll(connection)
	return string(text), own, err
}

// send writes one packet. The kernel says "not permitted" where its own rules
// take the packet away, be it silently or with a refusal: which of the two
// shows when the answer is read.
func send(connection net.Conn, packet []byte) error {
	if _, err := connection.Write(packet); err != nil && !errors.Is(err, syscall.EPERM) {
		return err
	}
	return nil
}

var (
	// A raw socket gets every ICMP error about packets to its peer, whatever
	// their ports, so at most one may be open towards each address.
	sctpPeers sync.Map
	sctpPort  atomic.Uint32
)

// onceSCTP sends INIT over a raw socket and waits for its INIT ACK.
func (q question) onceSCTP(deadline time.Time) (string, netip.AddrPort, error) {
	to, err := netip.ParseAddrPort(q.To)
	if err != nil {
		return "", netip.AddrPort{}, err
	}
	lock, _ := sctpPeers.LoadOrStore(to.Addr(), &sync.Mutex{})
	if mutex, ok := lock.(*sync.Mutex); ok {
		// The time spent waiting for the place is not the packet's.
		started := time.Now()
		mutex.Lock()
		defer mutex.Unlock()
		deadline = deadline.Add(time.Since(started))
	}
	network := "ip6:132"
	if to.Addr().Is4() {
		network = "ip4:132"
	}
	var from *net.IPAddr
	if q.From != "" {
		from = &net.IPAddr{IP: net.ParseIP(q.From)}
	}
	connection, err := net.DialIP(network, from, &net.IPAddr{IP: to.Addr().AsSlice()})
	if err != nil {
		return "", netip.AddrPort{}, err
	}
	defer connection.Close()
	if err := connection.SetDeadline(deadline); err != nil {
		return "", netip.AddrPort{}, err
	}
	local, err := netip.ParseAddr(connection.LocalAddr().String())
	if err != nil {
		return "", netip.AddrPort{}, err
	}
	// A fresh port for each association, from a start that differs between runs.
	port := uint16(20000 + (uint32(os.Getpid()*97)+sctpPort.Add(1))%40000)
	own := netip.AddrPortFrom(local, port)
	init := sctpPacket{sourcePort: port, destinationPort: to.Port(), chunk: chunkInit, initiateTag: uint32(port) << 8}
	if err := send(connection, init.encode()); err != nil {
		return "", own, err
	}
	buffer := make([]byte, 2048)
	for {
		// Unlike Read, ReadFrom takes the IPv4 header away.
		length, _, err := connection.ReadFrom(buffer)
		if err != nil {
			return "", own, err
		}
		answer, ok := parseSCTP(buffer[:length])
		if ok && answer.chunk == chunkInitAck && answer.destinationPort == port && answer.sourcePort == to.Port() {
			return answer.cookie, own, nil
		}
	}
}
