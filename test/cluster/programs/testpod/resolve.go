package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"os"
	"time"
)

// lookup is what is printed of one DNS lookup, as one line of JSON.
type lookup struct {
	OK        bool     `json:"ok"`
	Name      string   `json:"name"`
	Addresses []string `json:"addresses,omitempty"`
	Error     string   `json:"error,omitempty"`
	Millis    float64  `json:"ms"`
}

func resolve(arguments []string) error {
	flags := flag.NewFlagSet("resolve", flag.ExitOnError)
	timeout := flags.Duration("timeout", 5*time.Second, "how long the lookup may take")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("name the one host to look up")
	}
	result := lookup{Name: flags.Arg(0)}
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	started := time.Now()
	addresses, err := net.DefaultResolver.LookupHost(ctx, result.Name)
	result.Millis = float64(time.Since(started).Microseconds()) / 1000
	if err != nil {
		result.Error = err.Error()
	} else {
		result.OK, result.Addresses = true, addresses
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}
