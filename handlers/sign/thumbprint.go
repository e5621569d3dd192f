package sign

import (
	"crypto"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
)

// SignWith is Sign for claims that name their key: claims is called with the
// thumbprint of the one that signs.
func (s *Signer) SignWith(alg, typ string, claims func(thumbprint string) ([]byte, error)) (token, kid string, err error) {
	k := s.keys().active[alg]
	if k == nil {
		return "", "", fmt.Errorf("%w: %s", ErrNoKey, alg)
	}
	thumbprint, err := publicThumbprint(k.public)
	if err != nil {
		return "", "", err
	}
	payload, err := claims(thumbprint)
	if err != nil {
		return "", "", err
	}
	token, err = k.sign(s.cfg.Unsealer, typ, payload)
	return token, k.id, err
}

// publicThumbprint is the SHA-1 of the DER form (SubjectPublicKeyInfo, RFC 5280
// section 4.1) in upper-case hexadecimal digits. It names a key to those who
// know it and protects nothing.
func publicThumbprint(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("sign: public key: %w", err)
	}
	sum := sha1.Sum(der)
	return strings.ToUpper(hex.EncodeToString(sum[:])), nil
}
