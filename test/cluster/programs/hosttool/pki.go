package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// request is one certificate to make: FILE.crt and FILE.key. With DNS names or
// IP addresses it serves, without it is a client's.
type request struct {
	File          string   `json:"file"`
	CommonName    string   `json:"commonName"`
	Organizations []string `json:"organizations"`
	DNSNames      []string `json:"dnsNames"`
	IPAddresses   []string `json:"ipAddresses"`
}

const validity = 365 * 24 * time.Hour

func newKey() (*ecdsa.PrivateKey, error) {
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

func serialNumber() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "PRIVATE KEY", der)
}

// sign makes the key, signs the certificate with the parent and writes both;
// a nil parent makes the authority itself.
func sign(dir string, wanted request, template x509.Certificate, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = serialNumber(); err != nil {
		return nil, nil, err
	}
	template.Subject = pkix.Name{CommonName: wanted.CommonName, Organization: wanted.Organizations}
	template.NotBefore = time.Now().Add(-time.Hour) // clocks may differ a little
	template.NotAfter = time.Now().Add(validity)
	if parent == nil {
		parent, parentKey = &template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, err
	}
	if err := writePEM(filepath.Join(dir, wanted.File+".crt"), "CERTIFICATE", der); err != nil {
		return nil, nil, err
	}
	if err := writeKey(filepath.Join(dir, wanted.File+".key"), key); err != nil {
		return nil, nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return certificate, key, err
}

// pki makes an authority (ca), the key that service account tokens are signed
// with (sa.key, sa.pub), and a certificate for each request read from stdin.
func pki(arguments []string) error {
	flags := flag.NewFlagSet("pki", flag.ExitOnError)
	dir := flags.String("dir", "", "directory to write the certificates and keys to")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *dir == "" {
		return errors.New("--dir is needed")
	}
	var requests []request
	if err := json.NewDecoder(os.Stdin).Decode(&requests); err != nil {
		return fmt.Errorf("the requests on stdin are no JSON array of certificates: %w", err)
	}
	if err := os.MkdirAll(*dir, 0o700); err != nil {
		return err
	}
	authority, authorityKey, err := sign(*dir, request{File: "ca", CommonName: "svctrace-test-cluster"}, x509.Certificate{
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, nil, nil)
	if err != nil {
		return err
	}
	serviceAccounts, err := newKey()
	if err != nil {
		return err
	}
	if err := writeKey(filepath.Join(*dir, "sa.key"), serviceAccounts); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&serviceAccounts.PublicKey)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(*dir, "sa.pub"), "PUBLIC KEY", public); err != nil {
		return err
	}
	for _, wanted := range requests {
		template := x509.Certificate{
			KeyUsage:    x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			DNSNames:    wanted.DNSNames,
		}
		for _, text := range wanted.IPAddresses {
			address := net.ParseIP(text)
			if address == nil {
				return fmt.Errorf("%q of the certificate %s is no IP address", text, wanted.File)
			}
			template.IPAddresses = append(template.IPAddresses, address)
		}
		if len(template.DNSNames)+len(template.IPAddresses) > 0 {
			template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
		}
		if _, _, err := sign(*dir, wanted, template, authority, authorityKey); err != nil {
			return fmt.Errorf("the certificate %s: %w", wanted.File, err)
		}
	}
	return nil
}
