package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startExternal starts a NATS of its own that ends with the test, and returns its
// URL.
func startExternal(t *testing.T, opts *server.Options) string {
	t.Helper()
	opts.Host, opts.Port, opts.NoSigs, opts.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	s, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return "nats://" + s.Addr().String()
}

func TestConnectExternal(t *testing.T) {
	url := startExternal(t, &server.Options{Username: "u", Password: "s3cret"})
	withPassword := strings.Replace(url, "//", "//u:s3cret@", 1)

	nc, err := connectExternal(&logSettings{NATS: natsURLs{"nats://127.0.0.1:1", withPassword}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got := logReplicas(0, nc); got != 1 {
		t.Errorf("%d replicas without a cluster", got)
	}
	if got := logReplicas(3, nc); got != 3 {
		t.Errorf("%d replicas, 3 were asked for", got)
	}
	if o := nc.Opts; o.MaxReconnect != -1 || o.ReconnectBufSize != -1 || !o.AllowReconnect {
		t.Error("the connection does not reconnect for ever without a buffer")
	}

	for name, urls := range map[string]natsURLs{
		"no server":      {"nats://u:s3cret@127.0.0.1:1"},
		"wrong password": {strings.Replace(withPassword, "s3cret", "s3cret2", 1)},
	} {
		_, err := connectExternal(&logSettings{NATS: urls}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.HasPrefix(err.Error(), "cannot connect to NATS: ") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestThreeCopiesOnACluster(t *testing.T) {
	url := startExternal(t, &server.Options{Cluster: server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: server.RANDOM_PORT}})
	nc, err := connectExternal(&logSettings{NATS: natsURLs{url}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got := logReplicas(0, nc); got != 3 {
		t.Errorf("%d replicas", got)
	}
}

func TestExternalFilesMustExist(t *testing.T) {
	for flag, c := range map[string]*logSettings{
		"--nats-creds": {NATSCreds: "absent"},
		"--nats-ca":    {NATSCA: "absent"},
	} {
		c.NATS = natsURLs{"nats://127.0.0.1:1"}
		_, err := connectExternal(c, slog.New(slog.DiscardHandler))
		var usage *usageError
		if !errors.As(err, &usage) || !strings.HasPrefix(err.Error(), flag+": open absent") {
			t.Errorf("got %v", err)
		}
	}
}

func TestExternalCA(t *testing.T) {
	cert, ca := selfSigned(t)
	url := startExternal(t, &server.Options{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, TLSTimeout: 5})
	nc, err := connectExternal(&logSettings{NATS: natsURLs{url}, NATSCA: settingsFile(t, ca)}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.TLSConnectionState(); err != nil {
		t.Error(err)
	}
	if _, err := connectExternal(&logSettings{NATS: natsURLs{url}}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a server is trusted whose CA nobody named")
	}
}

// selfSigned returns a certificate for 127.0.0.1 and its PEM form.
func selfSigned(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
