// The hosttool program does what the cluster's harness needs of the machine it
// runs on and a script cannot do well: forward a port into a network
// namespace, make the cluster's certificates, and see when a node's rules change.
package main

import (
	"fmt"
	"os"
)

const usage = `usage:
  hosttool forward --listen ADDRESS:PORT --netns FILE --to ADDRESS:PORT --address-file FILE
  hosttool pki --dir DIR < REQUESTS.json
  hosttool rules --netns FILE --tables nf_tables|legacy --range ADDRESS/BITS
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	var err error
	switch arguments := os.Args[2:]; os.Args[1] {
	case "forward":
		err = forward(arguments)
	case forwardInside:
		err = serveForward(arguments)
	case "pki":
		err = pki(arguments)
	case "rules":
		err = rules(arguments)
	default:
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "hosttool %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
