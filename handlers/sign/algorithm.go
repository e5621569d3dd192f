package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// signFunc returns the JWS signature of a signing input.
type signFunc func(input []byte) ([]byte, error)

// algorithm is how one JWS "alg" (RFC 7518 section 3.1, RFC 8037) works here.
type algorithm struct {
	name      string
	signature int // bytes
	generate  func() (crypto.Signer, error)
	fits      func(public crypto.PublicKey) bool
	signer    func(private crypto.Signer) signFunc
}

const (
	rsaBits   = 2048
	p256Bytes = 32
)

var algorithms = map[string]*algorithm{
	"ES256": {
		name: "ES256", signature: 2 * p256Bytes,
		generate: func() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) },
		fits: func(public crypto.PublicKey) bool {
			k, ok := public.(*ecdsa.PublicKey)
			return ok && k.Curve == elliptic.P256()
		},
		signer: ecdsaSigner,
	},
	"RS256": {
		name: "RS256", signature: rsaBits / 8,
		generate: generateRSA, fits: fitsRSA, signer: hashed(crypto.SHA256),
	},
	"PS256": {
		name: "PS256", signature: rsaBits / 8,
		generate: generateRSA, fits: fitsRSA,
		signer: hashed(&rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}),
	},
	"EdDSA": {
		name: "EdDSA", signature: ed25519.SignatureSize,
		generate: func() (crypto.Signer, error) {
			_, private, err := ed25519.GenerateKey(rand.Reader)
			return private, err
		},
		fits: func(public crypto.PublicKey) bool {
			_, ok := public.(ed25519.PublicKey)
			return ok
		},
		signer: func(private crypto.Signer) signFunc {
			return func(input []byte) ([]byte, error) { return private.Sign(rand.Reader, input, crypto.Hash(0)) }
		},
	},
}

func generateRSA() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, rsaBits) }

func fitsRSA(public crypto.PublicKey) bool {
	k, ok := public.(*rsa.PublicKey)
	return ok && k.N.BitLen() == rsaBits
}

// hashed signs the SHA-256 of the input.
func hashed(opts crypto.SignerOpts) func(crypto.Signer) signFunc {
	return func(private crypto.Signer) signFunc {
		return func(input []byte) ([]byte, error) {
			digest := sha256.Sum256(input)
			return private.Sign(rand.Reader, digest[:], opts)
		}
	}
}

// ecdsaSigner signs in the form of RFC 7518 section 3.4: r and s, each as 32
// big-endian bytes. The nonce is derived from key and digest (RFC 6979), which
// costs a third less than the hedged one and needs no randomness at all.
func ecdsaSigner(private crypto.Signer) signFunc {
	return func(input []byte) ([]byte, error) {
		digest := sha256.Sum256(input)
		der, err := private.Sign(nil, digest[:], crypto.SHA256)
		if err != nil {
			return nil, err
		}
		return rawECDSA(der)
	}
}

// rawECDSA takes the integers out of SEQUENCE { r, s }.
func rawECDSA(der []byte) ([]byte, error) {
	var r, s []byte
	var pair cryptobyte.String
	input := cryptobyte.String(der)
	if !input.ReadASN1(&pair, asn1.SEQUENCE) || !input.Empty() ||
		!pair.ReadASN1Integer(&r) || !pair.ReadASN1Integer(&s) || !pair.Empty() ||
		len(r) > p256Bytes || len(s) > p256Bytes {
		return nil, errors.New("malformed ECDSA signature")
	}
	raw := make([]byte, 2*p256Bytes)
	copy(raw[p256Bytes-len(r):], r)
	copy(raw[2*p256Bytes-len(s):], s)
	return raw, nil
}
