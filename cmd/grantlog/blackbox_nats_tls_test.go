package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

// Section 1, --nats-ca and --nats-creds: an external NATS that shows a
// certificate of its own authority and lets in who has the credentials of a
// user of one of its accounts, a JWT and an nkey.
func TestExternalNATSWithTLSAndCredentials(t *testing.T) {
	t.Parallel()
	ca, certificate := authority(t)
	opts := &natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(), SyncAlways: true,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}, TLSTimeout: 10,
	}
	credentials, stranger := operated(t, opts)
	n, err := natsserver.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	go n.Start()
	t.Cleanup(func() { n.Shutdown(); n.WaitForShutdown() })
	if !n.ReadyForConnections(patience) {
		t.Fatal("the NATS server does not start")
	}
	url := "tls://" + n.Addr().String()

	s := prepare(t, "--nats", url, "--nats-ca", ca, "--nats-creds", credentials, "--snapshot-interval", "1s")
	key := "GRANTLOG_MASTER_KEY=" + strings.Repeat("A", 43) + "="
	s.env = []string{key}
	s.start()
	app := s.create(s.admin())
	token := s.token(app)
	s.restart()
	s.live(app, token)
	s.eventually("a snapshot is in the object store", func() bool {
		return strings.Contains(s.out.String(), "snapshot put into the object store")
	})
	if printed := s.out.String(); strings.Contains(strings.ToLower(printed), "permissions violation") {
		t.Errorf("the user may not do all that it must:\n%s", s.out.tail())
	}
	if r := run(t, []string{key}, "verify", "--nats", url, "--nats-ca", ca, "--nats-creds", credentials); r.code != 0 {
		t.Errorf("verify: %d\n%s%s", r.code, r.stdout, r.stderr)
	}

	other, _ := authority(t)
	for name, args := range map[string][]string{
		"no credentials":               {"--nats-ca", ca},
		"credentials of somebody else": {"--nats-ca", ca, "--nats-creds", stranger},
		"no authority":                 {"--nats-creds", credentials},
		"another authority":            {"--nats-ca", other, "--nats-creds", credentials},
	} {
		refused := prepare(t, append([]string{"--nats", url}, args...)...)
		r := run(t, []string{key}, refused.command()...)
		if oneClearLine(t, r, "cannot connect to NATS"); r.code == 0 {
			t.Errorf("%s: the server starts", name)
		}
	}
}

// operated gives a NATS server an operator and an account with JetStream, and
// returns the credentials of a user of it, and of one that another operator
// let in.
func operated(t *testing.T, opts *natsserver.Options) (credentials, stranger string) {
	t.Helper()
	operator, account, system := nkey(t, nkeys.CreateOperator), nkey(t, nkeys.CreateAccount), nkey(t, nkeys.CreateAccount)
	claims := jwt.NewOperatorClaims(public(t, operator))
	claims.SystemAccount = public(t, system)
	opts.TrustedOperators, opts.SystemAccount = []*jwt.OperatorClaims{claims}, claims.SystemAccount
	resolver := &natsserver.MemAccResolver{}
	opts.AccountResolver = resolver
	for _, pair := range []nkeys.KeyPair{account, system} {
		a := jwt.NewAccountClaims(public(t, pair))
		if pair == account {
			a.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
		}
		if err := resolver.Store(a.Subject, signed(t, a, operator)); err != nil {
			t.Fatal(err)
		}
	}
	return userFile(t, account), userFile(t, nkey(t, nkeys.CreateAccount))
}

// userFile makes credentials of a new user of an account, who may do what
// docs/replicas.md says and nothing else.
func userFile(t *testing.T, account nkeys.KeyPair) string {
	t.Helper()
	user := nkey(t, nkeys.CreateUser)
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.NewUserClaims(public(t, user))
	claims.Pub.Allow.Add("grantlog.>", "$KV.grantlog_erasable.>", "$O.grantlog_snapshots.>", "$JS.API.>", "$JS.FC.>")
	claims.Sub.Allow.Add("_INBOX.>")
	text, err := jwt.FormatUserConfig(signed(t, claims, account), seed)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, public(t, user)+".creds", string(text))
}

func nkey(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	pair, err := create()
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func public(t *testing.T, pair nkeys.KeyPair) string {
	t.Helper()
	key, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(t *testing.T, claims jwt.Claims, by nkeys.KeyPair) string {
	t.Helper()
	token, err := claims.Encode(by)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// authority makes a certificate authority, in a file, and a certificate of it
// for 127.0.0.1.
func authority(t *testing.T) (file string, certificate tls.Certificate) {
	t.Helper()
	issue := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			signer = key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		return der, key
	}
	until := time.Now().Add(time.Hour)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootDER, rootKey := issue(root, root, nil)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "nats"}, NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, leafKey := issue(leaf, root, rootKey)
	file = writeFile(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})))
	return file, tls.Certificate{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}
}
