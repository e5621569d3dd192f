package sign

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/grantlog/grantlog/events"
)

// Sealer closes a secret so that it opens only as the record it was closed
// for; see seal.Sealer.
type Sealer interface {
	Seal(record string, plain []byte) []byte
}

// GenerateKey makes a key for alg: P-256, RSA of 2048 bits or Ed25519. Its kid
// is the RFC 7638 thumbprint. When it may be used is left to the decision that
// publishes it: NotBefore is zero.
func GenerateKey(alg string, sealer Sealer) (*events.KeyCreated, error) {
	a, ok := algorithms[alg]
	if !ok {
		return nil, fmt.Errorf("sign: unknown algorithm %q", alg)
	}
	private, err := a.generate()
	if err != nil {
		return nil, fmt.Errorf("sign: generate %s key: %w", alg, err)
	}
	kid, err := thumbprint(private.Public())
	if err != nil {
		return nil, err
	}
	public, err := publicJWK(kid, a, private.Public())
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("sign: marshal %s key: %w", alg, err)
	}
	defer clear(der)
	return &events.KeyCreated{
		ID: kid, Algorithm: alg, Public: public, Sealed: sealer.Seal(record(kid), der),
	}, nil
}

func thumbprint(public crypto.PublicKey) (string, error) {
	k, err := jwk.FromRaw(public)
	if err != nil {
		return "", fmt.Errorf("sign: public key: %w", err)
	}
	sum, err := k.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("sign: thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
