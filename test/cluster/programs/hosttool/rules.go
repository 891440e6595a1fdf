package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// seen is one line of output: the rules changed between From and To, which are
// milliseconds since 1970, and had addresses of the range more or less than before.
type seen struct {
	From       float64  `json:"from"`
	To         float64  `json:"to"`
	Generation uint32   `json:"generation"`
	Added      []string `json:"added"`
	Removed    []string `json:"removed"`
}

// rules prints when rules of a node came and went, for tests of the programs
// that say so: nothing of those programs is used here. Of nf_tables the kernel
// reports each transaction; the legacy tables are read again and again.
// Its standard input ends it.
func rules(arguments []string) error {
	flags := flag.NewFlagSet("rules", flag.ExitOnError)
	netns := flags.String("netns", "", "file of the network namespace to look into")
	tables := flags.String("tables", "nf_tables", "nf_tables or legacy")
	prefix := flags.String("range", "", "ADDRESS/BITS of the IPv4 addresses that are looked for")
	every := flags.Duration("every", 5*time.Millisecond, "pause between two readings of the legacy tables")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *netns == "" || (*tables != "nf_tables" && *tables != "legacy") {
		return errors.New("--netns, --range, and --tables nf_tables or legacy are needed")
	}
	wanted, err := netip.ParsePrefix(*prefix)
	if err != nil {
		return err
	}
	if err := enterNetwork(*netns); err != nil {
		return err
	}
	// Where the machine does not allow it, what it waited for a processor is in the output all the same.
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, -20)
	go func() {
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	if *tables == "legacy" {
		return legacyRules(wanted, *every)
	}
	return netlinkRules(wanted, time.Millisecond)
}

func now() float64 {
	var time unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &time)
	return float64(time.Sec)*1e3 + float64(time.Nsec)/1e6
}

// oldGenerations asks the kernel for the generation of the ruleset again and
// again. A transaction cannot have happened before the kernel was asked and
// still answered with an older one: so late a moment does not depend on when
// this program, or the processor that it is on, came to run.
type oldGenerations struct {
	mutex sync.Mutex
	// Asked at, and answered with; in their order, without those that are of no use any more.
	answers []answer
}

type answer struct {
	asked      float64
	generation uint32
}

func (old *oldGenerations) add(asked float64, generation uint32) {
	old.mutex.Lock()
	defer old.mutex.Unlock()
	if last := len(old.answers) - 1; last >= 0 && old.answers[last].generation == generation {
		old.answers[last].asked = asked
		return
	}
	old.answers = append(old.answers, answer{asked, generation})
}

// before is the last moment at which the kernel was asked and had an older generation.
func (old *oldGenerations) before(generation uint32) float64 {
	old.mutex.Lock()
	defer old.mutex.Unlock()
	moment, useless := 0.0, 0
	for index, each := range old.answers {
		if each.generation >= generation {
			break
		}
		moment, useless = each.asked, index
	}
	old.answers = old.answers[useless:]
	return moment
}

// ask never returns but with an error. A socket stays in the network namespace in which it was opened.
func (old *oldGenerations) ask(socket int, every time.Duration, asked func()) error {
	request := make([]byte, 20)
	binary.NativeEndian.PutUint32(request, uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], nftablesSubsystem<<8|getGeneration)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST)
	buffer := make([]byte, 4096)
	for {
		at := now()
		if err := unix.Sendto(socket, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return err
		}
		length, _, err := unix.Recvfrom(socket, buffer, 0)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if length >= 28 && binary.NativeEndian.Uint16(buffer[4:]) == nftablesSubsystem<<8|newGeneration {
			old.add(at, binary.BigEndian.Uint32(buffer[24:]))
			asked()
		}
		time.Sleep(every)
	}
}

func print(line any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(text, '\n'))
	return err
}

var addressText = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+`)

// collect finds addresses as text, as kube-proxy writes them into comments.
func collect(found map[string]bool, wanted netip.Prefix, data []byte) {
	for _, text := range addressText.FindAll(data, -1) {
		if address, err := netip.ParseAddr(string(text)); err == nil && wanted.Contains(address) {
			found[address.String()] = true
		}
	}
}

// collectData finds addresses that are the value of an attribute NFTA_DATA_VALUE
// (1), alone or with a port behind them.
func collectData(found map[string]bool, wanted netip.Prefix, data []byte) {
	for at := 0; at+8 <= len(data); at += 4 {
		if (data[at] != 8 && data[at] != 12) || data[at+1] != 0 || data[at+2] != 1 || data[at+3] != 0 {
			continue
		}
		if address := netip.AddrFrom4([4]byte(data[at+4 : at+8])); wanted.Contains(address) {
			found[address.String()] = true
		}
	}
}

// difference lists what is in one set and not in the other, sorted.
func difference(one, other map[string]bool) []string {
	found := []string{}
	for text := range one {
		if !other[text] {
			found = append(found, text)
		}
	}
	slices.Sort(found)
	return found
}

// Numbers of linux/netfilter/nf_tables.h, behind those of the subsystem.
const (
	newChain, delChain     = 3, 5
	newRule, delRule       = 6, 8
	newElement, delElement = 12, 14
	newGeneration          = 15
	getGeneration          = 16
	destroyRule            = 26
	nftablesSubsystem      = 10
	nftablesGroup          = 1 << 6 // NFNLGRP_NFTABLES is 7
)

// netlinkRules stamps each transaction as it comes: it happened before that,
// and after the kernel was last asked and had an older generation.
func netlinkRules(wanted netip.Prefix, every time.Duration) error {
	socket, err := netlinkSocket(nftablesGroup)
	if err != nil {
		return err
	}
	questions, err := netlinkSocket(0)
	if err != nil {
		return err
	}
	old := oldGenerations{}
	ready, failed := make(chan struct{}), make(chan error, 1)
	go func() {
		failed <- old.ask(questions, every, sync.OnceFunc(func() { close(ready) }))
	}()
	select {
	case <-ready:
	case err := <-failed:
		return fmt.Errorf("netlink: generation: %w", err)
	}
	go func() {
		fmt.Fprintln(os.Stderr, "netlink: generation:", <-failed)
		os.Exit(1)
	}()
	fmt.Println("ready")
	buffer := make([]byte, 1<<20)
	came, went := map[string]bool{}, map[string]bool{}
	// When the first message of a transaction came.
	var to float64
	for {
		length, _, err := unix.Recvfrom(socket, buffer, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("netlink: %w", err)
		}
		if to == 0 {
			to = now()
		}
		for data := buffer[:length]; len(data) >= 16; {
			size := int(binary.NativeEndian.Uint32(data))
			if size < 16 || size > len(data) {
				return errors.New("netlink: what came is not a message")
			}
			kind := binary.NativeEndian.Uint16(data[4:])
			message := data[16:size]
			data = data[min((size+3)&^3, len(data)):]
			if kind>>8 != nftablesSubsystem {
				continue
			}
			switch kind & 0xff {
			case newRule, newChain, newElement:
				collect(came, wanted, message)
				collectData(came, wanted, message)
			case delRule, delChain, delElement, destroyRule:
				collect(went, wanted, message)
				collectData(went, wanted, message)
			case newGeneration:
				added, removed := difference(came, went), difference(went, came)
				if len(added)+len(removed) > 0 {
					generation := uint32(0)
					if len(message) >= 12 {
						generation = binary.BigEndian.Uint32(message[8:])
					}
					if err := print(seen{old.before(generation), to, generation, added, removed}); err != nil {
						return err
					}
				}
				came, went = map[string]bool{}, map[string]bool{}
				to = 0
			}
		}
	}
}

func netlinkSocket(groups uint32) (int, error) {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER)
	if err != nil {
		return 0, err
	}
	if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20); err != nil {
		return 0, err
	}
	return socket, unix.Bind(socket, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups})
}

// The place of a table's rules in linux/netfilter_ipv4/ip_tables.h.
const (
	getInfo, getEntries = 64, 65
	infoSize            = 84
	entriesHead         = 40
)

// legacyRules reads the IPv4 table nat again and again. The kernel shows a
// table whole, as it was at one moment of the call.
func legacyRules(wanted netip.Prefix, every time.Duration) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	get := func(option int, data []byte) unix.Errno {
		length := uint32(len(data))
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(socket), unix.IPPROTO_IP, uintptr(option),
			uintptr(unsafe.Pointer(&data[0])), uintptr(unsafe.Pointer(&length)), 0)
		return errno
	}
	read := func() (map[string]bool, error) {
		for {
			info := make([]byte, infoSize)
			copy(info, "nat")
			if errno := get(getInfo, info); errno != 0 {
				return nil, errno
			}
			size := binary.NativeEndian.Uint32(info[80:])
			table := make([]byte, entriesHead+size)
			copy(table, "nat")
			binary.NativeEndian.PutUint32(table[32:], size)
			errno := get(getEntries, table)
			if errno == unix.EAGAIN {
				continue
			}
			if errno != 0 {
				return nil, errno
			}
			found := map[string]bool{}
			collect(found, wanted, table)
			return found, nil
		}
	}
	last := now()
	known, err := read()
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for count := uint32(1); ; count++ {
		time.Sleep(every)
		asked := now()
		found, err := read()
		if err != nil {
			return err
		}
		added, removed := difference(found, known), difference(known, found)
		if len(added)+len(removed) > 0 {
			if err := print(seen{last, now(), count, added, removed}); err != nil {
				return err
			}
		}
		last, known = asked, found
	}
}
