// The testpod program is what runs inside the test cluster's pods: a server
// that says which pod answered, a client that makes connections one by one
// and reports each, a witness and its inquirer for many connections over TCP,
// UDP and SCTP, a DNS lookup, and a process that only waits (the pod
// sandbox, and pods that tests exec into). Static, so an image needs no more.
package main

import (
	"fmt"
	"os"
)

const usage = `usage:
  testpod serve [--port PORT]... [--udp-port PORT]... [--linger DURATION]
  testpod connect --to ADDRESS:PORT [--count N] [--udp] [--timeout DURATION] [--interval DURATION] [--hold DURATION]
  testpod witness --port PORT... [--address ADDRESS]...
  testpod ask [--parallel N] < GROUPS
  testpod resolve NAME [--timeout DURATION]
  testpod sleep
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	var err error
	switch arguments := os.Args[2:]; os.Args[1] {
	case "serve":
		err = serve(arguments)
	case "connect":
		err = connect(arguments)
	case "witness":
		err = witness(arguments)
	case "ask":
		err = ask(arguments)
	case "resolve":
		err = resolve(arguments)
	case "sleep":
		sleep()
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "testpod %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
