package sign

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// TestVerifyRefuses holds the attacks on JWS verification; the numbers are
// sections of RFC 8725.
func TestVerifyRefuses(t *testing.T) {
	f := newFixture(t, allAlgorithms...)
	es, rs, ps := f.active("ES256").ID, f.active("RS256").ID, f.active("PS256").ID
	good, _ := f.mustSign("ES256")
	parts := strings.Split(good, ".")
	own := f.private("ES256")
	theirs, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	theirJWK := func() any {
		k, err := jwk.FromRaw(theirs.Public())
		if err != nil {
			t.Fatal(err)
		}
		return k
	}()
	rsaDER, err := x509.MarshalPKIXPublicKey(f.private("RS256").Public())
	if err != nil {
		t.Fatal(err)
	}
	rsaPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: rsaDER})
	signedWith := func(header string) string { return f.forgeRaw("ES256", own, header) }
	with := func(name, value string) string {
		return signedWith(fmt.Sprintf(`{"alg":"ES256","typ":"at+jwt","kid":%q,%q:%s}`, es, name, value))
	}
	if _, err := f.Verify(with("x", "1")); err != nil {
		t.Fatalf("the forger does not sign as the server does: %v", err)
	}

	for name, token := range map[string]string{
		"empty":                    "",
		"dots only":                "..",
		"alg none (2.1, 3.1)":      b64(fmt.Sprintf(`{"alg":"none","kid":%q}`, es)) + "." + parts[1] + ".",
		"alg None":                 b64(fmt.Sprintf(`{"alg":"None","kid":%q}`, es)) + "." + parts[1] + "." + parts[2],
		"alg none, signature kept": b64(fmt.Sprintf(`{"alg":"none","kid":%q}`, es)) + "." + parts[1] + "." + parts[2],
		"alg of another case":      signedWith(fmt.Sprintf(`{"alg":"es256","kid":%q}`, es)),
		"no alg":                   signedWith(fmt.Sprintf(`{"kid":%q}`, es)),
		"alg null":                 signedWith(fmt.Sprintf(`{"alg":null,"kid":%q}`, es)),
		"alg array":                signedWith(fmt.Sprintf(`{"alg":["ES256"],"kid":%q}`, es)),
		"alg in capitals":          signedWith(fmt.Sprintf(`{"ALG":"ES256","kid":%q}`, es)),
		"alg twice":                signedWith(fmt.Sprintf(`{"alg":"none","alg":"ES256","kid":%q}`, es)),
		"alg twice, escaped":       signedWith(fmt.Sprintf(`{"alg":"ES256","\u0061lg":"ES256","kid":%q}`, es)),
		"HS256, PEM as secret":     hs256(rs, rsaPEM),
		"HS256, DER as secret":     hs256(rs, rsaDER),
		"HS256, JWK as secret":     hs256(es, f.active("ES256").Public),
		"PS256 by an RS256 key":    f.forgeRaw("PS256", f.private("RS256"), fmt.Sprintf(`{"alg":"PS256","kid":%q}`, rs)),
		"RS256 by a PS256 key":     f.forgeRaw("RS256", f.private("PS256"), fmt.Sprintf(`{"alg":"RS256","kid":%q}`, ps)),
		"ES256 on an RSA kid":      signedWith(fmt.Sprintf(`{"alg":"ES256","kid":%q}`, rs)),
		"RS256 named, ES256 done":  signedWith(fmt.Sprintf(`{"alg":"RS256","kid":%q}`, rs)),
		"no kid":                   signedWith(`{"alg":"ES256"}`),
		"empty kid":                signedWith(`{"alg":"ES256","kid":""}`),
		"kid number":               signedWith(`{"alg":"ES256","kid":1}`),
		"kid twice":                signedWith(fmt.Sprintf(`{"alg":"ES256","kid":"x","kid":%q}`, es)),
		"kid with a path":          signedWith(`{"alg":"ES256","kid":"../../dev/null"}`),
		"kid of SQL":               signedWith(`{"alg":"ES256","kid":"' or 1=1 --"}`),
		"own key on our kid":       f.forgeRaw("ES256", theirs, fmt.Sprintf(`{"alg":"ES256","kid":%q}`, es)),
		"own key as jwk": f.forge("ES256", theirs, map[string]any{
			"alg": "ES256", "kid": es, "jwk": theirJWK}),
		"own key by jku (3.10)": f.forge("ES256", theirs, map[string]any{
			"alg": "ES256", "kid": es, "jku": "http://127.0.0.1:1/jwks"}),
		"own key by x5u": f.forge("ES256", theirs, map[string]any{
			"alg": "ES256", "kid": es, "x5u": "http://127.0.0.1:1/cert"}),
		"own key as x5c": f.forge("ES256", theirs, map[string]any{
			"alg": "ES256", "kid": es, "x5c": []string{base64.StdEncoding.EncodeToString(certificate(t, theirs))}}),
		"crit":                with("crit", `["exp"]`),
		"crit empty":          with("crit", `[]`),
		"b64 false":           with("b64", `false`),
		"b64 true":            with("b64", `true`),
		"zip":                 with("zip", `"DEF"`),
		"enc":                 with("enc", `"A256GCM"`),
		"header array":        signedWith(`["ES256"]`),
		"header with a tail":  signedWith(fmt.Sprintf(`{"alg":"ES256","kid":%q}{}`, es)),
		"header cut":          signedWith(fmt.Sprintf(`{"alg":"ES256","kid":%q`, es)),
		"JWE of five parts":   parts[0] + "." + parts[1] + "." + parts[2] + "." + parts[1] + "." + parts[2],
		"two parts":           parts[0] + "." + parts[1],
		"four parts":          good + ".",
		"no signature":        parts[0] + "." + parts[1] + ".",
		"no payload":          parts[0] + ".." + parts[2],
		"JSON, flattened":     fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts[1], parts[0], parts[2]),
		"JSON, general":       fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, parts[1], parts[0], parts[2]),
		"padded":              good + "==",
		"standard alphabet":   strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+",
		"line break inside":   parts[0] + "." + parts[1][:8] + "\n" + parts[1][8:] + "." + parts[2],
		"space in front":      " " + good,
		"line break behind":   good + "\n",
		"stray trailing bits": parts[0] + "." + parts[1] + "." + strayBits(t, parts[2]),
		"longer signature":    parts[0] + "." + parts[1] + "." + b64("\x00"+decoded(t, parts[2])[:32]+"\x00"+decoded(t, parts[2])[32:]),
		"all-zero signature":  parts[0] + "." + parts[1] + "." + b64(strings.Repeat("\x00", 64)),
		"1 MB":                parts[0] + "." + strings.Repeat("A", 1<<20) + "." + parts[2],
		"other claims":        parts[0] + "." + b64(strings.Replace(sampleClaims, "app_1", "app_2", 1)) + "." + parts[2],
	} {
		if claims, err := f.Verify(token); !errors.Is(err, ErrSignature) || claims != nil {
			t.Errorf("%s: %v, claims %s", name, err, claims)
		}
	}
}

// Headers that point elsewhere do no harm to a token that our key signed.
func TestVerifyIgnoresRemoteKeys(t *testing.T) {
	f := newFixture(t, "ES256")
	token := f.forge("ES256", f.private("ES256"), map[string]any{
		"alg": "ES256", "kid": f.active("ES256").ID,
		"jku": "http://127.0.0.1:1/jwks", "x5u": "http://127.0.0.1:1/cert",
		"x": json.RawMessage(strings.Repeat("[", 2500) + strings.Repeat("]", 2500)),
	})
	if _, err := f.Verify(token); err != nil {
		t.Error(err)
	}
}

func TestVerifyWholeToken(t *testing.T) {
	f := newFixture(t, allAlgorithms...)
	for _, alg := range allAlgorithms {
		token, _ := f.mustSign(alg)
		for i := range token {
			if _, err := f.Verify(token[:i]); !errors.Is(err, ErrSignature) {
				t.Fatalf("%s: prefix of %d characters: %v", alg, i, err)
			}
			changed := []byte(token)
			changed[i] ^= 1 << (i % 7)
			if _, err := f.Verify(string(changed)); !errors.Is(err, ErrSignature) {
				t.Fatalf("%s: character %d changed from %q to %q: %v", alg, i, token[i], changed[i], err)
			}
		}
	}
}

func TestVerifySize(t *testing.T) {
	f := newFixture(t, "EdDSA")
	sign := func(claims int) string {
		token, _, err := f.Sign("EdDSA", "at+jwt", []byte(`{"x":"`+strings.Repeat("x", claims)+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	n := 0
	for len(sign(n)) < MaxToken-1 {
		n += max(1, (MaxToken-len(sign(n)))*3/4)
	}
	if token := sign(n); len(token) > MaxToken {
		t.Fatalf("no token of %d bytes to test with", len(token))
	} else if _, err := f.Verify(token); err != nil {
		t.Errorf("%d bytes: %v", len(token), err)
	}
	if token := sign(n + 3); true {
		if _, err := f.Verify(token); !errors.Is(err, ErrSignature) {
			t.Errorf("%d bytes: %v", len(token), err)
		}
	}
}

// FuzzVerify: whatever is believed carries claims and a header that were signed.
func FuzzVerify(f *testing.F) {
	x := newFixture(f, allAlgorithms...)
	signed := map[string]bool{}
	for _, alg := range allAlgorithms {
		token, _ := x.mustSign(alg)
		parts := strings.Split(token, ".")
		signed[parts[0]+"."+parts[1]] = true
		f.Add(token)
		f.Add(parts[0] + "." + parts[1] + ".")
		f.Add(b64(`{"alg":"none"}`) + "." + parts[1] + ".")
		f.Add(`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`)
	}
	f.Add(b64(`{"alg":"dir","enc":"A256GCM"}`) + ".." + b64("iv") + "." + b64("x") + "." + b64("tag"))
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := x.Verify(token)
		if err != nil {
			if !errors.Is(err, ErrSignature) || claims != nil {
				t.Errorf("error %v, claims %s", err, claims)
			}
			return
		}
		if string(claims) != sampleClaims || !signed[token[:strings.LastIndexByte(token, '.')]] {
			t.Errorf("believed %q", token)
		}
	})
}

func hs256(kid string, secret []byte) string {
	header, _ := json.Marshal(map[string]string{"alg": "HS256", "kid": kid})
	input := b64(string(header)) + "." + b64(sampleClaims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + b64(string(mac.Sum(nil)))
}

func certificate(t *testing.T, private *ecdsa.PrivateKey) []byte {
	t.Helper()
	template := &x509.Certificate{}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func decoded(t *testing.T, part string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// strayBits spells the same bytes with other unused bits in the last character.
func strayBits(t *testing.T, part string) string {
	t.Helper()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, part[len(part)-1])
	other := part[:len(part)-1] + string(alphabet[last^1])
	if other == part || decoded(t, other) != decoded(t, part) {
		t.Fatal("not another spelling of the same bytes")
	}
	return other
}
