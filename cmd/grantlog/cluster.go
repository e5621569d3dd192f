package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/grantlog/grantlog/events/seal"
)

const (
	// purposeCluster derives the key by which the members of a cluster know
	// each other.
	purposeCluster = "cluster"

	// routeTLSTimeout bounds the handshake between two members, in seconds.
	routeTLSTimeout = 5

	// routeErrorReports is how many attempts to reach another member are one
	// line of the log.
	routeErrorReports = 600

	// handOverTimeout is how long a member that stops waits for another one to
	// lead. A transfer takes milliseconds; without it the log elects a leader
	// only after 4 to 9 seconds of silence.
	handOverTimeout = 3 * time.Second
	handOverPoll    = 5 * time.Millisecond
)

// membership is what makes an embedded NATS a member of a cluster.
type membership struct {
	cluster *clusterSettings
	name    string // of this member: unique in the cluster, and the same at every start
	tls     *tls.Config
}

func newMembership(c *clusterSettings, data string, master seal.Master) (*membership, error) {
	name, err := memberName(c, data)
	if err != nil {
		return nil, err
	}
	config, err := routeTLS(master.Derive(purposeCluster))
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	return &membership{cluster: c, name: name, tls: config}, nil
}

// apply adds the cluster to the options of a server.
func (m *membership) apply(opts *server.Options) error {
	host, port, err := net.SplitHostPort(string(m.cluster.Listen))
	if err != nil {
		return fmt.Errorf("--cluster-listen: %w", err)
	}
	opts.ServerName = m.name
	opts.Cluster = server.ClusterOpts{
		Name: string(m.cluster.Name), Host: host, TLSConfig: m.tls, TLSTimeout: routeTLSTimeout,
		Advertise:   string(m.cluster.Advertise),
		NoAdvertise: true, // clients stay with the server that they were told of
	}
	// It tries again every second, and says so now and then.
	opts.ConnectErrorReports, opts.ReconnectErrorReports = routeErrorReports, routeErrorReports
	if opts.Cluster.Port, err = strconv.Atoi(port); err != nil {
		return fmt.Errorf("--cluster-listen: %w", err)
	}
	for _, route := range m.cluster.Routes {
		u, err := url.Parse(route)
		if err != nil {
			return fmt.Errorf("--cluster-routes: %w", err)
		}
		opts.Routes = append(opts.Routes, u)
	}
	return nil
}

// routeTLS makes every member prove to every other one that it has the seed,
// and keeps what they say private. All members have the same certificate, and
// trust it alone; the network's names and authorities have no part in it.
func routeTLS(seed []byte) (*tls.Config, error) {
	const name = "grantlog"
	key := ed25519.NewKeyFromSeed(seed)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		// Its life is that of the master key.
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	members := x509.NewCertPool()
	members.AddCert(certificate)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      members, ServerName: name,
		ClientCAs: members, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS13,
	}, nil
}

// route opens the member's address to the others, and returns when it is open
// or the server logged a fatal error.
//
// A server without a client listener never gets there by itself: its start
// waits for that listener for ever, in a goroutine whose end StartRouting
// reports for it here. With a listener it does, soon after the start.
func route(s *server.Server, listens bool) {
	if listens {
		s.ReadyForConnections(connectTimeout)
		return
	}
	ready := make(chan struct{})
	close(ready)
	s.StartRouting(ready)
}

// handOver gives what this member leads to others before it goes, so that
// writes elsewhere do not wait for an election. Where nobody is left to lead
// it gives up in time.
func handOver(s *server.Server) {
	var given []ledStream
	for _, l := range clusterStreams(s) {
		if s.JetStreamIsStreamLeader(l.account, l.stream) && s.JetStreamStepdownStream(l.account, l.stream) == nil {
			given = append(given, l)
		}
	}
	tick := time.NewTicker(handOverPoll)
	defer tick.Stop()
	for began := time.Now(); !ledElsewhere(s, given) && time.Since(began) < handOverTimeout; {
		<-tick.C
	}
}

// ledStream is a stream of the cluster and the member that leads it, if this
// one knows.
type ledStream struct{ account, stream, leader string }

func clusterStreams(s *server.Server) (all []ledStream) {
	info, err := s.Jsz(&server.JSzOptions{Streams: true})
	if err != nil {
		return nil // JetStream is gone, and with it what there was to lead
	}
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			if stream.Cluster != nil {
				all = append(all, ledStream{account.Name, stream.Name, stream.Cluster.Leader})
			}
		}
	}
	return all
}

// ledElsewhere reports whether other members lead what was given.
func ledElsewhere(s *server.Server, given []ledStream) bool {
	for _, now := range clusterStreams(s) {
		for _, g := range given {
			if now.account == g.account && now.stream == g.stream && (now.leader == "" || now.leader == s.Name()) {
				return false
			}
		}
	}
	return true
}
