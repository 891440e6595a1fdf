package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// attempt is what is printed of one connection, as one line of JSON.
type attempt struct {
	OK        bool    `json:"ok"`
	Answer    string  `json:"answer,omitempty"`
	Error     string  `json:"error,omitempty"`
	LocalPort int     `json:"localPort,omitempty"`
	Millis    float64 `json:"ms"`
}

func localPort(connection net.Conn) int {
	switch address := connection.LocalAddr().(type) {
	case *net.TCPAddr:
		return address.Port
	case *net.UDPAddr:
		return address.Port
	}
	return 0
}

// askHTTP sends one GET / over the connection and reads the answer's body.
func askHTTP(connection net.Conn, to string, keepOpen bool) (string, error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+to+"/", nil)
	if err != nil {
		return "", err
	}
	request.Close = !keepOpen
	if err := request.Write(connection); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the server answered %s", response.Status)
	}
	return strings.TrimSpace(string(body)), nil
}

// askUDP sends one datagram and waits for the one that answers it.
func askUDP(connection net.Conn) (string, error) {
	if _, err := connection.Write([]byte("who\n")); err != nil {
		return "", err
	}
	buffer := make([]byte, 65536)
	length, err := connection.Read(buffer)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(buffer[:length])), nil
}

// connectOnce makes one new connection. The connection is returned open when
// keepOpen is set and the attempt succeeded.
func connectOnce(network, to string, timeout time.Duration, keepOpen bool) (attempt, net.Conn) {
	started := time.Now()
	result := attempt{}
	connection, err := net.DialTimeout(network, to, timeout)
	if err == nil {
		result.LocalPort = localPort(connection)
		if err = connection.SetDeadline(started.Add(timeout)); err == nil {
			if network == "udp" {
				result.Answer, err = askUDP(connection)
			} else {
				result.Answer, err = askHTTP(connection, to, keepOpen)
			}
		}
		if err != nil || !keepOpen {
			connection.Close()
			connection = nil
		}
	}
	result.Millis = float64(time.Since(started).Microseconds()) / 1000
	if err != nil {
		result.Error = err.Error()
		return result, nil
	}
	result.OK = true
	return result, connection
}

func connect(arguments []string) error {
	flags := flag.NewFlagSet("connect", flag.ExitOnError)
	to := flags.String("to", "", "ADDRESS:PORT to connect to")
	count := flags.Int("count", 1, "how many connections to make, one after the other")
	udp := flags.Bool("udp", false, "send datagrams, each from a new port, instead of HTTP requests")
	timeout := flags.Duration("timeout", 2*time.Second, "how long one connection may take, answer included")
	interval := flags.Duration("interval", 0, "how long to wait between connections")
	hold := flags.Duration("hold", 0, "how long to keep all connections open after the last one")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(*to); err != nil {
		return errors.New("name what to connect to: --to ADDRESS:PORT")
	}
	network := "tcp"
	if *udp {
		network = "udp"
	}
	lines := json.NewEncoder(os.Stdout)
	var open []net.Conn
	for number := range *count {
		if number > 0 {
			time.Sleep(*interval)
		}
		result, connection := connectOnce(network, *to, *timeout, *hold > 0)
		if connection != nil {
			open = append(open, connection)
		}
		if err := lines.Encode(result); err != nil {
			return err
		}
	}
	if len(open) > 0 {
		time.Sleep(*hold)
		for _, connection := range open {
			connection.Close()
		}
	}
	return nil
}
